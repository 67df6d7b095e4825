/**
 * The network between nodes: ports that answer, round trips, clocks, bandwidth. Entry: {@link
 * dev.tandem.preflight.network.NetworkHost} on the side that is measured and {@link
 * dev.tandem.preflight.network.NetworkProbe} on the side that measures; every node is both. Few bytes, every wait a limit.
 */
@NullMarked
package dev.tandem.preflight.network;

import org.jspecify.annotations.NullMarked;
