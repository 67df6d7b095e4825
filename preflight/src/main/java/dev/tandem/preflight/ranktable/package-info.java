/**
 * Makes the rank table of a deployment: finds out which node this is, asks its devices for their addresses, meets the other nodes, and
 * writes the same file on all of them. Entry: {@link dev.tandem.preflight.ranktable.RankTableRun}, and {@link
 * dev.tandem.preflight.host.RemoteRun} from one place. Runs on the caller's thread; device queries on a bounded pool of their own.
 */
@NullMarked
package dev.tandem.preflight.ranktable;

import org.jspecify.annotations.NullMarked;
