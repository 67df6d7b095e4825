/**
 * Reads start scripts as a shell would, without running anything: words, quotes, variables, line numbers. Entry: {@link
 * dev.tandem.preflight.script.shell.ShellScript}. Pure but for reading the file.
 */
@NullMarked
package dev.tandem.preflight.script.shell;

import org.jspecify.annotations.NullMarked;
