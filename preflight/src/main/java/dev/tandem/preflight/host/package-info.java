/**
 * What a command of an operator does on and between the hosts of a deployment: runs programs with a time limit ({@link
 * dev.tandem.preflight.host.Tool}), on other hosts through ssh ({@link dev.tandem.preflight.host.RemoteRun}), and meets its other instances ({@link
 * dev.tandem.preflight.host.HostBarrier}). Runs on the caller's thread.
 */
@NullMarked
package dev.tandem.preflight.host;

import org.jspecify.annotations.NullMarked;
