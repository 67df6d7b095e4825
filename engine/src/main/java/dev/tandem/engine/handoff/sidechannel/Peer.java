package dev.tandem.engine.handoff.sidechannel;

/**
 * An engine whose rank r listens on {@code port + r}.
 *
 * @param ranks tensor ranks of the engine
 * @param engineId that all its ranks must answer with
 */
public record Peer(String host, int port, int ranks, String engineId) {
    /** Where one rank's side channel is. */
    public String endpoint(int rank) {
        return SideChannel.endpoint(host, Integer.toString(port + rank));
    }
}
