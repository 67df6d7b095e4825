package dev.tandem.api.server;

/** The client of an exchange has closed its connection, or read nothing for too long: nobody is left to answer. */
public final class ClientGoneException extends RuntimeException {
    /** Says which exchange lost its client. */
    public ClientGoneException(String message) {
        super(message, null, false, false);
    }
}
