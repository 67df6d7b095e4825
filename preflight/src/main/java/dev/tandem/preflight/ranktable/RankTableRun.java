package dev.tandem.preflight.ranktable;

import dev.tandem.engine.handoff.ranktable.RankTable;
import dev.tandem.engine.handoff.ranktable.RankTableException;
import dev.tandem.preflight.host.HostBarrier;
import dev.tandem.preflight.host.HostBarrierException;
import dev.tandem.preflight.ranktable.RankTableFile.Prepared;
import dev.tandem.trust.ClusterSecret;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.StringNode;

/**
 * Makes the table on one node, together with all others, or alone where all nodes are on this host. Nodes that meet go through three
 * rounds: everybody brings its devices; everybody has written the table beside its place, or says why not; everybody has put it in
 * place. So either all nodes have the same table, or a message says which has not. Used by one thread.
 */
public final class RankTableRun {
    private final RankTablePlan plan;
    private final DeviceSource source;
    private final RankTableFile file;
    private final Rendezvous rendezvous;

    /**
     * Where and how long nodes meet.
     *
     * @param port on the first node
     * @param limit from the beginning to the end of the run
     * @param secret that all nodes must know
     */
    public record Rendezvous(int port, Duration limit, ClusterSecret secret) {
        /** The port that gen_ranktable.sh gives torchrun. */
        public static final int DEFAULT_PORT = 6657;

        /** Long enough to start the command on all nodes by hand. */
        public static final Duration DEFAULT_LIMIT = Duration.ofMinutes(2);

        /** Without a secret. */
        public Rendezvous(int port, Duration limit) {
            this(port, limit, ClusterSecret.none());
        }

        /** Of nodes that know a secret. */
        public Rendezvous with(ClusterSecret other) {
            return new Rendezvous(port, limit, other);
        }
    }

    /**
     * What a run has made.
     *
     * @param kind of all devices
     * @param isKept whether the file was there already, with this table
     */
    public record Result(RankTable table, DeviceKind kind, boolean isKept) {}

    public RankTableRun(RankTablePlan plan, DeviceSource source, RankTableFile file, Rendezvous rendezvous) {
        this.plan = plan;
        this.source = source;
        this.file = file;
        this.rendezvous = rendezvous;
    }

    /**
     * Runs.
     *
     * @param local indexes of the nodes that this process stands for: one, or all
     * @param progress hears what is waited for
     * @throws DeviceException devices of a node could not be found out, or do not go together; told on all nodes
     * @throws RankTableException the file could not be written, or holds another table; told on all nodes, nothing was written
     * @throws HostBarrierException nodes are missing, were started with other arguments, or left
     */
    public Result run(List<Integer> local, Consumer<String> progress) throws IOException, InterruptedException {
        file.requireWritable();
        long deadlineNs = System.nanoTime() + rendezvous.limit().toNanos();
        progress.accept("asking the devices of this node");
        if (local.size() == plan.nodes().size()) {
            return alone();
        }
        int index = local.getFirst();
        JsonNode own = own(plan.nodes().get(index));
        var participants = new HostBarrier.Participants(plan.nodes(), index, rendezvous.port(), rendezvous.secret());
        try (HostBarrier barrier = HostBarrier.open(participants, plan.subject(), left(deadlineNs), progress)) {
            progress.accept(
                    index == 0
                            ? "all nodes are here; exchanging their devices"
                            : "met " + plan.nodes().getFirst() + "; waiting for the devices of all nodes");
            List<NodeDevices> devices = devices(barrier.exchange("devices", own, left(deadlineNs)));
            return together(barrier, devices, deadlineNs);
        }
    }

    private static Duration left(long deadlineNs) {
        return Duration.ofNanos(Math.max(1, deadlineNs - System.nanoTime()));
    }

    private Result alone() throws IOException, InterruptedException {
        var devices = new ArrayList<NodeDevices>();
        for (String node : plan.nodes()) {
            devices.add(source.devices(node));
        }
        RankTable table = plan.table(devices);
        Prepared prepared = file.prepare(table);
        try {
            prepared.commit();
        } finally {
            prepared.discard(); // nothing is left of it when it was put in its place
        }
        return new Result(table, devices.getFirst().kind(), prepared.isKept());
    }

    /** The devices of this node, or why they cannot be found out: all nodes are told, so that none waits for them. */
    private JsonNode own(String node) throws InterruptedException {
        try {
            return source.devices(node).toJson();
        } catch (DeviceException e) {
            return NodeDevices.error(String.valueOf(e.getMessage()));
        }
    }

    private List<NodeDevices> devices(List<JsonNode> brought) {
        var devices = new ArrayList<NodeDevices>();
        for (int node = 0; node < brought.size(); node++) {
            devices.add(NodeDevices.fromJson(
                    plan.nodes().get(node), brought.get(node), plan.counts().perNode()));
        }
        return devices;
    }

    private Result together(HostBarrier barrier, List<NodeDevices> devices, long deadlineNs)
            throws IOException, InterruptedException {
        RankTable table = plan.table(devices);
        Optional<Prepared> written = Optional.empty();
        String refusal = "";
        try {
            written = Optional.of(file.prepare(table));
        } catch (IOException | RankTableException e) {
            refusal = String.valueOf(e.getMessage()); // told to all nodes, this one among them
        }
        try {
            requireNone(
                    barrier.exchange("ready", StringNode.valueOf(refusal), left(deadlineNs)),
                    "; no node has written anything");
            requireNone(
                    barrier.exchange("written", committed(written.orElseThrow()), left(deadlineNs)),
                    "; other nodes have the table");
        } finally {
            if (written.isPresent()) {
                written.get().discard();
            }
        }
        return new Result(
                table, devices.getFirst().kind(), written.orElseThrow().isKept());
    }

    private static JsonNode committed(Prepared prepared) {
        try {
            prepared.commit();
            return StringNode.valueOf("");
        } catch (IOException e) {
            return StringNode.valueOf(e.toString()); // told to all nodes, this one among them
        }
    }

    private void requireNone(List<JsonNode> refusals, String consequence) {
        var told = new ArrayList<String>();
        for (int node = 0; node < refusals.size(); node++) {
            String refusal = refusals.get(node).asString("it does not report what it did");
            if (!refusal.isEmpty()) {
                told.add("node " + plan.nodes().get(node) + ": " + refusal);
            }
        }
        if (!told.isEmpty()) {
            throw new RankTableException(String.join("; ", told) + consequence);
        }
    }
}
