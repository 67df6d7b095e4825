package dev.tandem.engine.cluster.channel;

/**
 * A frame on its way out.
 *
 * @param kind what it is
 * @param body bytes, of which the first {@code bytes} count; not touched until released
 * @param bytes length of the body
 * @param released called once, when the body was written or never will be
 */
@SuppressWarnings("ArrayRecordComponent") // a buffer, never compared
record Outgoing(FrameKind kind, byte[] body, int bytes, Runnable released) {
    static final Runnable NOTHING = () -> {};
}
