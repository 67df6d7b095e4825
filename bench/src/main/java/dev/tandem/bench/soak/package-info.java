/**
 * A cluster to which faults are done while it is asked: every answer is either equal to that of a quiet aggregated node, or an explicit error
 * in time, and at the end nothing is held. Entry: {@link dev.tandem.bench.soak.Soak}; one thread asks for each request, two do faults.
 */
@NullMarked
package dev.tandem.bench.soak;

import org.jspecify.annotations.NullMarked;
