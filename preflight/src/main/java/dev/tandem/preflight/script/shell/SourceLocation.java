package dev.tandem.preflight.script.shell;

/**
 * Where something stands, as findings name it.
 *
 * @param file name of the script, or of the process in a topology
 * @param line from 1; 0 where there are no lines
 */
public record SourceLocation(String file, int line) {
    @Override
    public String toString() {
        return line > 0 ? file + ":" + line : file;
    }
}
