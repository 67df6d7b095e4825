package dev.tandem.preflight.shell;

/** A script that is too large to be read, or whose variables grow beyond any command line. */
public final class ShellException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public ShellException(Place place, String problem) {
        super(place + ": " + problem);
    }
}
