package dev.tandem.engine.handoff;

import dev.tandem.counter.Counters;
import dev.tandem.engine.handoff.pull.PullConnector;
import dev.tandem.engine.handoff.push.LayerwiseConnector;
import dev.tandem.engine.handoff.runtime.HandoffRuntime;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.kv.KvPool;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;

/** A real connector, asked as the engine loop asks it, with prompts whose tokens are all 0. */
public final class TestConnector implements AutoCloseable {
    static final String METASERVER = "http://gateway/v1/metaserver";
    private static final long DEADLINE_NS = Duration.ofMinutes(10).toNanos();

    private final HandoffRuntime runtime;
    private final KvPool pool;
    private final KvConnector connector;
    private final int sideChannelPort;

    private TestConnector(HandoffRuntime runtime, KvPool pool, KvConnector connector, int sideChannelPort) {
        this.runtime = runtime;
        this.pool = pool;
        this.connector = connector;
        this.sideChannelPort = sideChannelPort;
    }

    public static TestConnector start(
            HandoffConfig config, List<KvPool> pools, HandoffRuntime runtime, Runnable wakeLoop) {
        return switch (config.connector()) {
            case PULL -> {
                var pull = PullConnector.start(config, pools, runtime, wakeLoop);
                yield new TestConnector(runtime, pools.getFirst(), pull, pull.sideChannelPort());
            }
            case LAYERWISE -> {
                var push = LayerwiseConnector.start(config, pools, runtime, wakeLoop);
                yield new TestConnector(runtime, pools.getFirst(), push, push.sideChannelPort());
            }
        };
    }

    public static PromptBlocks prompt(String requestId, int promptTokens, int cachedTokens, int... blockIds) {
        return new PromptBlocks(requestId, new int[promptTokens], cachedTokens, blockIds, DEADLINE_NS);
    }

    int sideChannelPort() {
        return sideChannelPort;
    }

    Counters<HandoffCounter> counters() {
        return runtime.counters();
    }

    /** A ticket without the digest of a prompt, as foreign nodes write it: it is good for a prompt of any length. */
    HandoffTicket lend(String requestId, int[] blockIds, int lastTokenId, long nowNs) {
        int tokens = blockIds.length * pool.layout().blockSize();
        HandoffTicket ticket = connector
                .finish(prompt(requestId, tokens, 0, blockIds), lastTokenId, nowNs)
                .orElseThrow();
        var further = new LinkedHashMap<>(ticket.further());
        further.remove(HandoffTicket.PROMPT);
        return new HandoffTicket(
                ticket.engineId(), ticket.host(), ticket.port(), ticket.blockIds(), ticket.lastTokenId(), further);
    }

    void fetch(String requestId, HandoffTicket ticket, int promptTokens, int cachedTokens, int[] blockIds, long nowNs) {
        connector.start(new HandoffRole.Fetch(ticket), prompt(requestId, promptTokens, cachedTokens, blockIds), nowNs);
    }

    void receive(PromptBlocks prompt, long nowNs) {
        connector.start(new HandoffRole.Receive(METASERVER), prompt, nowNs);
    }

    void push(PromptBlocks prompt, HandoffTicket target) {
        connector.start(new HandoffRole.Push(target), prompt, 0);
    }

    void stored(PushProgress progress, int tpRank, int layer) {
        connector.layerListener(List.of(progress)).stored(tpRank, layer);
    }

    void cancel(String requestId, String reason) {
        connector.cancel(requestId, reason);
    }

    void decline(String requestId, HandoffRole role, String reason) {
        connector.decline(requestId, role, reason);
    }

    List<HandoffEvent> poll(long nowNs) {
        return connector.poll(nowNs);
    }

    long nextDeadlineNs() {
        return connector.nextDeadlineNs();
    }

    @Override
    public void close() {
        connector.close();
    }
}
