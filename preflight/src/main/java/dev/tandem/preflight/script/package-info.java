/**
 * A static checker of start scripts: each command goes through the grammar of the program that it starts, then all commands of a deployment
 * are held against each other. Its one door is {@link dev.tandem.preflight.script.ScriptCheck}, for files, texts and commands. Nothing is
 * run; read are the files, and whether an address, an interface or the rank table that a script names is there, where the script is for
 * this machine.
 */
@NullMarked
package dev.tandem.preflight.script;

import org.jspecify.annotations.NullMarked;
