/**
 * The command line: one class per verb. Reads environment and system properties, prints for people and for programs, and turns failures
 * into exit codes: 0 well, 1 failed, 2 invalid arguments. Verbs of ours state their arguments in a {@link dev.tandem.cli.Grammar}; those of
 * other programs have a table of flags where they are carried out. Entry: {@link dev.tandem.cli.Main}.
 */
package dev.tandem.cli;
