package dev.tandem.gateway.fleet;

import dev.tandem.api.HttpAddress;
import dev.tandem.api.client.HttpClient;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongSupplier;
import java.util.stream.Stream;

/** All nodes of the gateway and the threads that judge their health. The lists never change; any thread. */
public final class Fleet implements AutoCloseable {
    private final HandoffKind kind;
    private final NodeKey key;
    private final LongSupplier nanoClock;
    private final List<FleetNode> prefill;
    private final List<FleetNode> decode;
    private final List<NodeProber> probers = new ArrayList<>();
    /** Nodes are judged one by one, so that of two that clash the first serves. */
    private final ReentrantLock judging = new ReentrantLock();

    /**
     * Nodes in the order in which they are configured; none is healthy before {@link #startProbing}.
     *
     * @param key what they are shown; closed together with the fleet
     * @param nanoClock what silence is measured by
     */
    public Fleet(
            List<HttpAddress> prefill,
            List<HttpAddress> decode,
            HandoffKind kind,
            NodeKey key,
            LongSupplier nanoClock) {
        this.key = key;
        this.nanoClock = nanoClock;
        this.kind = kind;
        this.prefill = prefill.stream()
                .map(address -> new FleetNode(NodeRole.PREFILL, address, nanoClock))
                .toList();
        this.decode = decode.stream()
                .map(address -> new FleetNode(NodeRole.DECODE, address, nanoClock))
                .toList();
    }

    /** Starts judging; waits until every node has been judged once, no longer than the patience. */
    public void startProbing(HttpClient http, ProbeSchedule schedule, Duration patience) {
        CountDownLatch judged = new CountDownLatch(prefill.size() + decode.size());
        probes(schedule).forEach(probe -> probers.add(NodeProber.start(probe, http, judged::countDown)));
        try {
            boolean complete = judged.await(patience.toMillis(), TimeUnit.MILLISECONDS);
            if (!complete) {
                nodes(NodeRole.PREFILL).forEach(FleetNode::suspect);
                nodes(NodeRole.DECODE).forEach(FleetNode::suspect);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** What judges each node, for whoever carries out the steps. */
    public List<NodeProbe> probes(ProbeSchedule schedule) {
        return Stream.concat(prefill.stream(), decode.stream())
                .map(node -> new NodeProbe(node, this, schedule, nanoClock))
                .toList();
    }

    /** What nodes are shown in {@code Authorization}. */
    public NodeKey key() {
        return key;
    }

    /** The nodes of a role. */
    public List<FleetNode> nodes(NodeRole role) {
        return switch (role) {
            case PREFILL -> prefill;
            case DECODE -> decode;
        };
    }

    /** The healthy nodes of a role that have not been tried, with their loads now. */
    public List<NodeLoad> candidates(NodeRole role, Collection<FleetNode> tried) {
        List<FleetNode> all = nodes(role);
        List<NodeLoad> candidates = new ArrayList<>(all.size());
        for (FleetNode node : all) {
            if (node.isHealthy() && !tried.contains(node)) {
                candidates.add(node.load());
            }
        }
        return candidates;
    }

    /** How many nodes of a role are healthy. */
    public int healthy(NodeRole role) {
        int count = 0;
        for (FleetNode node : nodes(role)) {
            count += node.isHealthy() ? 1 : 0;
        }
        return count;
    }

    /** A node lives and says this of itself: judges whether it fits. Called by its probe. */
    void alive(FleetNode node, Optional<NodeIdentity> said) {
        judging.lock();
        try {
            node.identify(said);
            said.flatMap(known -> known.misfit(node.role(), kind).or(() -> clash(node, known)))
                    .ifPresentOrElse(node::markMisfit, node::markUp);
        } finally {
            judging.unlock();
        }
    }

    /** Why this node cannot work with one of the other role that serves already: whoever comes later is left out. */
    private Optional<String> clash(FleetNode node, NodeIdentity said) {
        NodeRole others = node.role() == NodeRole.PREFILL ? NodeRole.DECODE : NodeRole.PREFILL;
        return nodes(others).stream()
                .filter(other -> other.isHealthy() && !other.address().equals(node.address()))
                .flatMap(other -> other.identity().flatMap(known -> said.clash(known, other)).stream())
                .findFirst();
    }

    /** The nodes that get no requests now, with their verdicts. */
    public List<FleetNode> leftOut() {
        List<FleetNode> out = new ArrayList<>();
        for (NodeRole role : NodeRole.values()) {
            for (FleetNode node : nodes(role)) {
                if (!node.isHealthy()) {
                    out.add(node);
                }
            }
        }
        return out;
    }

    /** The roles that no healthy node plays. */
    public List<NodeRole> missing() {
        return Stream.of(NodeRole.values()).filter(role -> healthy(role) == 0).toList();
    }

    @Override
    public void close() {
        probers.forEach(NodeProber::stop);
        key.close();
    }
}
