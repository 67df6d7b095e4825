package dev.tandem.api;

import java.io.IOException;
import java.net.BindException;
import java.net.UnknownHostException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.AccessDeniedException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/**
 * A failure of the network or of the other side, with its kind. {@link Kind#CONNECT} promises that nothing of the request was ever
 * sent; every other kind of a client's failure leaves open whether the other side has acted on it.
 */
public final class ApiException extends RuntimeException {
    /** What went wrong. */
    public enum Kind {
        /** The address to listen on is taken by another process. */
        ADDRESS_IN_USE,
        /** The address to listen on is not one of this machine, or may not be bound. */
        ADDRESS_REFUSED,
        /** A file with keys or certificates cannot be read, or does not hold what it should. */
        UNUSABLE_FILE,
        /** No connection was established: nothing was sent. */
        CONNECT,
        /** The connection ended before the response was complete. */
        CLOSED,
        /** The other side stayed silent, or took, longer than allowed. */
        TIMEOUT,
        /** What came back is not HTTP, or larger than allowed. */
        PROTOCOL,
        /** This side called the exchange off. */
        CANCELLED
    }

    private final Kind kind;

    /** A failure with its cause. */
    public ApiException(Kind kind, String message, Throwable cause) {
        super(message, cause);
        this.kind = kind;
    }

    /** A failure without a cause. */
    public ApiException(Kind kind, String message) {
        super(message);
        this.kind = kind;
    }

    /** Why nobody can listen at an address, with the host and the port. */
    public static ApiException cannotListen(String host, int port, Throwable cause) {
        String sentence = "cannot listen on " + new HttpAddress(host, port).authority() + ": ";
        if (cause instanceof UnknownHostException) {
            return new ApiException(Kind.ADDRESS_REFUSED, sentence + "unknown host", cause);
        }
        if (cause instanceof BindException && String.valueOf(cause.getMessage()).contains("in use")) {
            return new ApiException(Kind.ADDRESS_IN_USE, sentence + "the port is in use by another process", cause);
        }
        return new ApiException(Kind.ADDRESS_REFUSED, sentence + cause.getMessage(), cause);
    }

    /**
     * Why a file cannot be read.
     *
     * @param what it holds, for the message
     */
    public static ApiException unusableFile(String what, Path file, IOException cause) {
        String problem = switch (cause) {
            case NoSuchFileException absent -> "there is no such file";
            case AccessDeniedException denied -> "this process may not read it";
            case CharacterCodingException odd -> "it is not text in UTF-8";
            default -> "it cannot be read: " + cause.getMessage();
        };
        return new ApiException(Kind.UNUSABLE_FILE, what + " " + file + ": " + problem, cause);
    }

    /** What went wrong. */
    public Kind kind() {
        return kind;
    }
}
