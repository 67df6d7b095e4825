/**
 * What a command of an operator does on and between the hosts of a deployment: runs programs with a time limit ({@link
 * dev.tandem.ops.host.Tool}), on other hosts through ssh ({@link dev.tandem.ops.host.RemoteRun}), and meets its other instances ({@link
 * dev.tandem.ops.host.Meeting}). Runs on the caller's thread.
 */
@NullMarked
package dev.tandem.ops.host;

import org.jspecify.annotations.NullMarked;
