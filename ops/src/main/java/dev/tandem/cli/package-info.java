/**
 * The command line: one class per verb. Reads environment and system properties, prints for people and for programs, and turns failures
 * into exit codes: 0 well, 1 failed, 2 the words were wrong. Entry: {@link dev.tandem.cli.Main}.
 */
package dev.tandem.cli;
