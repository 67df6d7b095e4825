package dev.tandem.preflight.script.shell;

/**
 * A word of a command after expansion.
 *
 * @param text without its quotes
 * @param line where it begins
 */
public record Word(String text, int line) {}
