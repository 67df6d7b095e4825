package dev.tandem.engine.handoff.lease;

import dev.tandem.kv.KvLayout;
import dev.tandem.kv.KvPlane;

/**
 * How many done messages a lease of this engine gets from one decode engine. Three shapes are in use:
 *
 * <ul>
 *   <li>Newer nodes and our own announce the count in the message itself: for each port of this engine how many messages it will get,
 *       0 included. The lease ends when each port has got its number. Ours announce one message to rank 0's port for all ranks.
 *   <li>vllm-ascend v0.11.0rc1 announces nothing. Each of its D ranks reads {@code pulls = max(1, H / D) / max(1, H / P)} of our P ranks
 *       (H heads of the model; 1 with a latent cache) and reports completion to each of them, so {@code D * pulls} different ports get one
 *       message. The choice is seeded by the request id and differs from request to request, hence the count and never one per port.
 *   <li>With more D ranks than P ranks, which v0.11.0rc1 refuses, each D rank reads one P rank: D messages, at most
 *       {@code ceil(D / P)} at one port.
 * </ul>
 *
 * <p>What a port gets beyond its number is a repetition and does not count. When a message is lost the lease ends by its deadline.
 *
 * @param ranks ports of this engine
 * @param plainMessages messages without announcement that end a lease
 * @param plainAtOnePort how many of them one port may get
 */
public record ReleaseQuorum(int ranks, int plainMessages, int plainAtOnePort) {
    /**
     * The rule for a pair of engines.
     *
     * @param layout of any rank of this engine
     * @param tpSize ranks of this engine
     * @param peerTpSize ranks of a decode engine that announces nothing
     */
    public static ReleaseQuorum of(KvLayout layout, int tpSize, int peerTpSize) {
        if (peerTpSize > tpSize) {
            return new ReleaseQuorum(tpSize, peerTpSize, Math.ceilDiv(peerTpSize, tpSize));
        }
        int heads = 1;
        for (KvPlane plane : layout.planes()) {
            heads = Math.max(heads, plane.modelHeads());
        }
        int pulls = Math.max(1, Math.max(1, heads / peerTpSize) / Math.max(1, heads / tpSize));
        return new ReleaseQuorum(tpSize, peerTpSize * pulls, 1);
    }
}
