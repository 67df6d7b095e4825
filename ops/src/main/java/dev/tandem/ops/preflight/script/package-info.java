/**
 * Finds the mistakes of start scripts and topologies before anything starts: each command through the grammar of the program that it
 * starts, then all commands of a deployment against each other. Entries: {@link dev.tandem.ops.preflight.script.ScriptCheck} and {@link
 * dev.tandem.ops.preflight.script.TopologyCheck}. Nothing is run; read are the files, and whether an address, an interface or the rank
 * table that a script names is there, where the script is for this machine.
 */
@NullMarked
package dev.tandem.ops.preflight.script;

import org.jspecify.annotations.NullMarked;
