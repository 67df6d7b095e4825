package dev.tandem.engine.handoff.zmtp;

/** Why this side ends a connection. What the message quotes of the peer's bytes is short and printable. */
public final class ZmtpException extends Exception {
    private static final long serialVersionUID = 1;

    /** What was wrong. */
    public enum Kind {
        /** Not ZMTP 3, or not what may come now. */
        MALFORMED,
        /** A frame, a message or its number of parts is above its bound. */
        TOO_LARGE,
        /** The peer did not end in time what it had begun, or does not read. */
        STALLED,
        /** Others need the room: too many connections, or too many bytes of all peers together. */
        CROWDED,
        /** The peer does not show that it knows the cluster's secret, and must. */
        UNPROVEN,
        /** A fault of this side. */
        FAULT
    }

    private final Kind kind;

    public ZmtpException(Kind kind, String message) {
        super(message);
        this.kind = kind;
    }

    public ZmtpException(Kind kind, String message, Throwable cause) {
        super(message, cause);
        this.kind = kind;
    }

    public Kind kind() {
        return kind;
    }
}
