package dev.tandem.engine.handoff.zmtp;

import java.util.List;

/**
 * What is done with one connection; made for it, so that it may know what this peer has said before. Called on the poller's thread. What it
 * throws ends the connection, and nothing else.
 */
public interface ZmtpHandler {
    /** Both sides are ready: messages may be sent. */
    void opened();

    /** A whole message of the peer, at least one part. */
    void received(List<byte[]> parts);

    /** The connection has ended, whoever ended it; called once, and nothing comes behind it. */
    void closed(String reason);
}
