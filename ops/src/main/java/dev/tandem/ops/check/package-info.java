/**
 * The check of a topology before it starts: its commands through the rules of start scripts, and its nodes against the machines that they
 * will run on. Entry: {@link dev.tandem.ops.check.TopologyCheck} and {@link dev.tandem.ops.check.PlannedNodes}. Runs on the caller's
 * thread.
 */
@NullMarked
package dev.tandem.ops.check;

import org.jspecify.annotations.NullMarked;
