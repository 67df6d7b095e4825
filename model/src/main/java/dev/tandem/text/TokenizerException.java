package dev.tandem.text;

import org.jspecify.annotations.Nullable;

/** A vocabulary that cannot be used: the files of the model or the native library are at fault, never a request. */
public final class TokenizerException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** What is at fault. */
    public enum Kind {
        /** A file is missing, unreadable or not what its name says. */
        UNREADABLE,
        /** The vocabulary is of a sort that Tandem does not handle. */
        UNSUPPORTED,
        /** The native tokenizers library cannot be loaded on this machine. */
        NATIVE_LIBRARY
    }

    private final Kind kind;

    TokenizerException(Kind kind, String message) {
        this(kind, message, null);
    }

    TokenizerException(Kind kind, String message, @Nullable Throwable cause) {
        super(message, cause);
        this.kind = kind;
    }

    public Kind kind() {
        return kind;
    }
}
