package dev.tandem.preflight.script.shell;

/** A script is too large to be read, or its variables grow beyond any command line. */
public final class ShellException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public ShellException(SourceLocation location, String problem) {
        super(location + ": " + problem);
    }
}
