/**
 * What a node without NPUs needs of the machine it stands on. Entry: {@link dev.tandem.preflight.machine.MachineCheck}. Only reads; what
 * a system does not report is shown as such, not guessed. Runs on the caller's thread.
 */
@NullMarked
package dev.tandem.preflight.machine;

import org.jspecify.annotations.NullMarked;
