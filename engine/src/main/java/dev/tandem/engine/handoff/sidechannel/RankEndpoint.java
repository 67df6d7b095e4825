package dev.tandem.engine.handoff.sidechannel;

import java.util.HashMap;
import java.util.Map;

/**
 * Where one rank of this engine listens.
 *
 * @param host that peers are told
 * @param firstPort of rank 0 of the engine
 * @param rank of the engine's {@code ranks}
 */
public record RankEndpoint(String host, int firstPort, int rank, int ranks) {
    /** Of this rank. */
    public int port() {
        return firstPort + rank;
    }

    /** What a peer says of ports, by rank of this engine; what it says of other ports is left out. */
    public Map<Integer, Integer> byRank(Map<Integer, Integer> byPort) {
        var byRank = new HashMap<Integer, Integer>();
        for (int of = 0; of < ranks; of++) {
            Integer value = byPort.get(firstPort + of);
            if (value != null) {
                byRank.put(of, value);
            }
        }
        return byRank;
    }
}
