package dev.tandem.engine.handoff.zmtp;

import java.util.Optional;

/** The socket types that meet on a side channel; a connection names them in READY. */
public enum ZmtpSocketType {
    REQ,
    REP,
    DEALER,
    ROUTER;

    /** Whether a peer of that type may be on the other end (RFC 28: request-reply pattern). */
    public boolean talksTo(ZmtpSocketType peer) {
        return switch (this) {
            case REQ -> peer == REP || peer == ROUTER;
            case REP -> peer == REQ || peer == DEALER;
            case DEALER -> peer != REQ;
            case ROUTER -> peer != REP;
        };
    }

    /** The type of that name; empty when it is none of these. */
    static Optional<ZmtpSocketType> named(String name) {
        for (ZmtpSocketType type : values()) {
            if (type.name().equals(name)) {
                return Optional.of(type);
            }
        }
        return Optional.empty();
    }
}
