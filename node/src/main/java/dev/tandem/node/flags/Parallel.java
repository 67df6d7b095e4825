package dev.tandem.node.flags;

import java.util.Optional;

/**
 * Where the ranks of a deployment stand, and which of them this process runs. A deployment has {@code data.size x tensor} ranks; this
 * process runs {@code data.localSize x tensor} of them, from data-parallel rank {@code data.startRank} on.
 *
 * @param tensor shards of a replica
 * @param data replicas
 * @param head where the nodes of one deployment meet
 * @param isHeadless this process has no HTTP and joins a head
 * @param hasExpertParallel experts are spread over all ranks instead of being cut
 */
public record Parallel(int tensor, Data data, Head head, boolean isHeadless, boolean hasExpertParallel) {
    private static final int MAX_SIZE = 1 << 16;
    private static final int DEFAULT_RPC_PORT = 29_550;
    private static final int DEFAULT_JOIN_SECONDS = 300;

    /** Who spreads requests over data-parallel ranks. */
    public enum Balancing {
        /** One head, over all ranks of the deployment. */
        INTERNAL,
        /** Each node over its own ranks; somebody else over the nodes. */
        HYBRID,
        /** Somebody else: each process runs one rank behind a port of its own. */
        EXTERNAL
    }

    /**
     * Replicas.
     *
     * @param size of the whole deployment
     * @param localSize of this process; 0: a head without ranks of its own
     * @param startRank global index of this process's first replica
     * @param balancing who spreads requests over them
     */
    public record Data(int size, int localSize, int startRank, Balancing balancing) {}

    /**
     * Where the nodes of one deployment meet.
     *
     * @param address {@code --data-parallel-address}
     * @param rpcPort {@code --data-parallel-rpc-port}
     * @param joinTimeoutSeconds how long a node waits for the others at start
     */
    public record Head(String address, int rpcPort, int joinTimeoutSeconds) {}

    /** Ranks that this process runs. */
    public int localRanks() {
        return data.localSize * tensor;
    }

    /** Ranks of the whole deployment. */
    public int worldRanks() {
        return data.size * tensor;
    }

    /** Whether ranks of this deployment run in other processes. */
    public boolean hasRemoteRanks() {
        return data.localSize < data.size;
    }

    /** Whether this process waits for headless nodes and balances over their ranks too. */
    public boolean isHead() {
        return !isHeadless && hasRemoteRanks() && data.balancing == Balancing.INTERNAL;
    }

    /** Whether the other processes of this deployment join this one: the first of those with HTTP, whether it has ranks or not. */
    public boolean isMeetingPoint() {
        return !isHeadless && data.startRank == 0;
    }

    /** Reads the flags; what contradicts itself is reported to {@code line}. */
    static Parallel read(FlagArguments line) {
        int apiServers = line.whole("api-server-count", 0, 1024, 1);
        boolean isHeadless = line.isOn("headless", false) || apiServers == 0;
        if (isHeadless && apiServers > 1) {
            line.problem(
                    "--api-server-count " + apiServers + " contradicts --headless, which has no HTTP; leave one out");
        }
        return new Parallel(
                line.whole("tensor-parallel-size", 1, MAX_SIZE, 1),
                data(line, isHeadless),
                new Head(
                        line.text("data-parallel-address").orElse("127.0.0.1"),
                        line.whole("data-parallel-rpc-port", 1, 65_535, DEFAULT_RPC_PORT),
                        line.whole("join-timeout", 1, 86_400, DEFAULT_JOIN_SECONDS)),
                isHeadless,
                line.isOn("enable-expert-parallel", false));
    }

    private static Data data(FlagArguments line, boolean isHeadless) {
        int size = line.whole("data-parallel-size", 1, MAX_SIZE, 1);
        Optional<Integer> local =
                line.whole("data-parallel-size-local", 0, MAX_SIZE).map(Long::intValue);
        Optional<Integer> rank = line.whole("data-parallel-rank", 0, MAX_SIZE).map(Long::intValue);
        boolean isHybrid = line.isOn("data-parallel-hybrid-lb", false);
        boolean isExternal = line.isOn("data-parallel-external-lb", false);
        if (isHybrid && isHeadless) {
            line.problem("--data-parallel-hybrid-lb contradicts --headless: each hybrid node has its own HTTP");
        }
        if (isHybrid && (isExternal || rank.isPresent())) {
            line.problem("--data-parallel-hybrid-lb contradicts --data-parallel-"
                    + (isExternal ? "external-lb" : "rank " + rank.orElseThrow()) + "; choose one");
        }
        if (rank.isPresent() || isExternal) {
            return external(line, size, local, rank);
        }
        int startRank = line.whole("data-parallel-start-rank", 0, MAX_SIZE, 0);
        if (isHybrid && local.isEmpty()) {
            line.problem("--data-parallel-hybrid-lb needs --data-parallel-size-local, the ranks of this node");
        }
        if (isHeadless && local.equals(Optional.of(0))) {
            line.problem("--data-parallel-size-local 0 with --headless leaves nothing to run; give at least 1");
        }
        if (local.equals(Optional.of(0)) && (isHybrid || startRank > 0)) {
            line.problem(
                    "--data-parallel-size-local 0 stands for a head that balances over the ranks of other nodes; it"
                            + " contradicts "
                            + (isHybrid ? "--data-parallel-hybrid-lb" : "--data-parallel-start-rank " + startRank));
        }
        int localSize = local.orElse(size);
        if (startRank + localSize > size) {
            line.problem("--data-parallel-start-rank " + startRank + " plus --data-parallel-size-local " + localSize
                    + (local.isEmpty() ? " (its default)" : "") + " exceeds --data-parallel-size " + size
                    + (startRank < size ? "; --data-parallel-size-local " + (size - startRank) + " would fit" : ""));
        }
        return new Data(size, localSize, startRank, balancing(isHybrid, isHeadless, size, localSize, startRank));
    }

    /** As vLLM v0.11: a start rank on a node with HTTP means hybrid, one local rank means external. */
    private static Balancing balancing(boolean isHybrid, boolean isHeadless, int size, int localSize, int startRank) {
        if (localSize == size || isHeadless || !(isHybrid || startRank > 0)) {
            return Balancing.INTERNAL;
        }
        return localSize == 1 ? Balancing.EXTERNAL : Balancing.HYBRID;
    }

    private static Data external(FlagArguments line, int size, Optional<Integer> local, Optional<Integer> rank) {
        if (rank.isEmpty()) {
            line.problem("--data-parallel-external-lb needs --data-parallel-rank, the one rank of this process");
        }
        rank.filter(given -> given >= size)
                .ifPresent(given -> line.problem("--data-parallel-rank " + given + " is outside [0, " + (size - 1)
                        + "] of --data-parallel-size " + size));
        local.filter(given -> given != 1)
                .ifPresent(given -> line.problem("--data-parallel-size-local " + given
                        + " contradicts --data-parallel-rank, which stands for one rank; use 1"));
        line.whole("data-parallel-start-rank", 0, MAX_SIZE)
                .filter(start -> rank.isPresent() && start.intValue() != rank.get())
                .ifPresent(start -> line.problem("--data-parallel-start-rank " + start
                        + " contradicts --data-parallel-rank " + rank.orElseThrow()));
        return new Data(size, 1, rank.orElse(0), Balancing.EXTERNAL);
    }
}
