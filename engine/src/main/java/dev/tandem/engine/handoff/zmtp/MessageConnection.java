package dev.tandem.engine.handoff.zmtp;

import java.net.InetSocketAddress;
import java.util.List;

/** A connection that messages of several parts go over: ZeroMQ's, or a simulation's. Owned by the thread that its {@link ZmtpHandler} is called on. */
public interface MessageConnection {
    /** The peer's address and port. */
    InetSocketAddress remote();

    /** Sends a message, at least one part, behind those that wait; without effect when the connection has ended. */
    void send(List<byte[]> parts);

    /** Ends the connection; the handler hears of it. */
    void close(String reason);
}
