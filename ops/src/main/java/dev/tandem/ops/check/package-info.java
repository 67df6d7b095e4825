/**
 * The checks that need a topology: of machines ({@link dev.tandem.ops.check.CheckRun}, what {@code tandem check} does), of a topology's
 * commands ({@link dev.tandem.ops.check.TopologyCheck}), and of a deployment about to start ({@link dev.tandem.ops.check.LaunchCheck}).
 * Runs on the caller's thread; what waits for other machines has threads of its own.
 */
@NullMarked
package dev.tandem.ops.check;

import org.jspecify.annotations.NullMarked;
