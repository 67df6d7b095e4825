/**
 * Machines, network and time that a seed makes up, so that the real code of nodes and gateway runs in them for hours within seconds, and the
 * same way again. Entry: {@link dev.tandem.ops.simulate.SimulatedNetwork}. One thread runs everything.
 */
@NullMarked
package dev.tandem.ops.simulate;

import org.jspecify.annotations.NullMarked;
