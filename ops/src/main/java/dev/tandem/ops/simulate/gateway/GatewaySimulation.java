package dev.tandem.ops.simulate.gateway;

import dev.tandem.api.HttpAddress;
import dev.tandem.api.client.HttpCall;
import dev.tandem.api.client.HttpCalls;
import dev.tandem.api.client.HttpClientConfig;
import dev.tandem.api.metrics.Histogram;
import dev.tandem.api.metrics.MetricName;
import dev.tandem.api.metrics.MetricsPage;
import dev.tandem.gateway.fleet.Fleet;
import dev.tandem.gateway.fleet.FleetNode;
import dev.tandem.gateway.fleet.HandoffKind;
import dev.tandem.gateway.fleet.NodeRole;
import dev.tandem.gateway.fleet.ProbeSchedule;
import dev.tandem.gateway.fleet.Verdict;
import dev.tandem.gateway.protocol.GatewayCounter;
import dev.tandem.ops.simulate.EngineDeployment;
import dev.tandem.ops.simulate.Faults;
import dev.tandem.ops.simulate.SimulatedHost;
import dev.tandem.ops.simulate.SimulatedNetwork;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * One seed: a gateway, nodes and clients are made up, faults come for a minute, then everything must come to rest and serve again. What must
 * hold is checked all through and at the end; what does not hold is a violation, in words.
 */
public final class GatewaySimulation implements AutoCloseable {
    private static final long SECOND = GatewayScenario.SECOND;
    private static final long FAULTS_NS = 60 * SECOND;
    /** The longest fault that begins before the end of faults is over by then, and verdicts have followed. */
    private static final long HEALED_NS = FAULTS_NS + 62 * SECOND;
    /** Every time limit of a request has passed by then, one behind the other. */
    private static final long DEADLINE_NS = HEALED_NS + 240 * SECOND;

    /** So long engines may go on for whoever has gone without their hearing of it, and keep what they lend. */
    private static final long ENGINES_REST_NS = 120 * SECOND;

    private static final long AGAIN_NS = 60 * SECOND;
    private static final int SHOWN_FRAMES = 6;
    private static final long LOOK_NS = SECOND / 2;
    private static final long DRAIN_NS = 5 * SECOND;
    private static final int AGAIN_CLIENTS = 4;
    private static final int FIRST_AGAIN = 1000;
    private static final String GATEWAY = "10.0.0.1";
    private static final String CLIENTS = "10.0.3.1";
    /** A question every 2 s, 10 s of silence, and the last question's time. */
    private static final long VERDICT_NS = 15 * SECOND;

    private static final Histogram HISTOGRAM = new MetricsPage(Map.of())
            .histogram(new MetricName("simulated_seconds", "Times of simulated requests."), new double[] {1});

    /** Makes things go wrong that a gateway does right, so that it can be seen whether a simulation notices. */
    @FunctionalInterface
    public interface Tampering {
        /** What the gateway calls nodes by, instead of what it would. */
        HttpCalls with(HttpCalls calls, Fleet fleet);
    }

    /** What nodes are. */
    public enum Nodes {
        /** Small models of a node's contract: they err as real nodes do not. */
        MODELS,
        /** Engines, schedulers, connectors and leases as they are. */
        ENGINES
    }

    /**
     * How seeds are run.
     *
     * @param kind the order of the exchange
     * @param hasFaults whether the network, nodes and clients bring any
     * @param tampering with the gateway, for tests of the simulation itself
     * @param engines the same with engines
     * @param trace gets a line for whatever happens
     */
    public record Options(
            HandoffKind kind,
            Nodes nodes,
            boolean hasFaults,
            Tampering tampering,
            EngineDeployment.Tampering engines,
            Consumer<String> trace) {
        /** With faults, without tampering and trace. */
        public static Options of(HandoffKind kind, Nodes nodes) {
            return new Options(
                    kind,
                    nodes,
                    true,
                    (calls, fleet) -> calls,
                    EngineDeployment.Tampering.NONE,
                    SimulatedNetwork.NO_TRACE);
        }

        /** The gateway before engines, in the order that a seed stands for. */
        public static Options whole(long seed) {
            HandoffKind[] kinds = HandoffKind.values();
            return of(kinds[(int) Math.floorMod(seed, (long) kinds.length)], Nodes.ENGINES);
        }

        public Options withoutFaults() {
            return new Options(kind, nodes, false, tampering, engines, trace);
        }

        public Options with(Tampering other) {
            return new Options(kind, nodes, hasFaults, other, engines, trace);
        }

        public Options with(EngineDeployment.Tampering other) {
            return new Options(kind, nodes, hasFaults, tampering, other, trace);
        }

        public Options tracedBy(Consumer<String> other) {
            return new Options(kind, nodes, hasFaults, tampering, engines, other);
        }
    }

    /**
     * How a seed went.
     *
     * @param violations what did not hold; empty when all is well
     * @param outcomes how many clients ended how
     * @param counters what engines counted, in all lives of all nodes
     * @param faults that were drawn, by await point and kind
     * @param points how often each await point was passed
     * @param events of virtual time
     * @param virtualNs how much time has passed
     */
    public record Result(
            long seed,
            List<String> violations,
            Map<String, Integer> outcomes,
            Map<String, Long> counters,
            Map<String, Map<Faults.Kind, Integer>> faults,
            Map<String, Integer> points,
            long events,
            long virtualNs) {}

    private final long seed;
    private final Options options;
    private final GatewayScenario scenario;
    private final Faults faults;
    private final SimulatedNetwork network;
    private final NodeRuns runs;
    private final @Nullable EngineNodes engines; // none where nodes are models
    private final Prompts prompts;
    private final List<SimulatedGateway> gateways = new ArrayList<>(); // the lives of the one gateway
    private final SimulatedHost clientHost;
    private final SimulatedHost gatewayHost;
    private final Map<SimulatedHost, Long> silentSinceNs = new HashMap<>();
    private final List<SimulatedHost> nodeHosts = new ArrayList<>();
    private final List<ModelClient> clients = new ArrayList<>();
    private final List<String> violations = new ArrayList<>();
    private final Map<String, Integer> decodeCalls = new HashMap<>();
    private final Map<String, Integer> prefillCalls = new HashMap<>();
    private final List<HttpAddress> decodeAddresses = new ArrayList<>();
    private final SplittableRandom again;

    private GatewaySimulation(long seed, Options options) {
        this.seed = seed;
        this.options = options;
        SplittableRandom random = new SplittableRandom(seed);
        boolean isCalm = !options.hasFaults();
        scenario = GatewayScenario.draw(random.split(), FAULTS_NS, isCalm);
        faults = options.hasFaults() ? Faults.drawn(random.split(), FAULTS_NS) : Faults.none();
        network = new SimulatedNetwork(random.split(), faults, scenario.link(), options.trace());
        runs = new NodeRuns(random.split(), options.kind(), scenario.isShortOfMemory());
        engines = options.nodes() == Nodes.ENGINES
                ? new EngineNodes(random.split(), options.kind(), isCalm, options.engines())
                : null;
        prompts = engines == null ? new Prompts.Texts() : new Prompts.TokenIds(random.nextLong());
        List<HttpAddress> prefill = addNodes(NodeRole.PREFILL, scenario.prefill(), random);
        decodeAddresses.addAll(addNodes(NodeRole.DECODE, scenario.decode(), random));
        SplittableRandom choices = random.split();
        Consumer<SimulatedHost> boot = host -> bootGateway(host, prefill, choices.split());
        gatewayHost = scenario.isMortal() ? network.host(GATEWAY, boot) : network.steadyHost(GATEWAY);
        if (!scenario.isMortal()) {
            boot.accept(gatewayHost);
        }
        for (GatewayScenario.Pause pause : scenario.pauses()) {
            network.time().at(pause.atNs(), () -> gatewayHost.hang(pause.durationNs()));
        }
        clientHost = network.steadyHost(CLIENTS);
        again = random.split();
    }

    /** Runs a seed. */
    public static Result run(long seed, Options options) {
        try (var simulation = new GatewaySimulation(seed, options)) {
            return simulation.run();
        }
    }

    private List<HttpAddress> addNodes(NodeRole role, List<HttpNode.Traits> traits, SplittableRandom random) {
        List<HttpAddress> addresses = new ArrayList<>();
        for (int i = 0; i < traits.size(); i++) {
            String address = (role == NodeRole.PREFILL ? "10.0.1." : "10.0.2.") + (i + 1);
            var node = new HttpNode(role, options.kind(), address, traits.get(i), runs, random.split());
            nodeHosts.add(node.addTo(network, this::begin));
            addresses.add(node.http());
        }
        return addresses;
    }

    /** A gateway starts, for the first time or again. */
    private void bootGateway(SimulatedHost host, List<HttpAddress> prefill, SplittableRandom random) {
        silentSinceNs.clear();
        gateways.add(new SimulatedGateway(
                host,
                new SimulatedGateway.Setup(
                        options.kind(),
                        prefill,
                        decodeAddresses,
                        scenario.settings(),
                        scenario.client(),
                        ProbeSchedule.DEFAULT,
                        scenario.bounds()),
                HISTOGRAM,
                random,
                this::called,
                options.tampering()));
    }

    private SimulatedGateway gateway() {
        return gateways.getLast();
    }

    private HttpNode.Life begin(HttpNode node, SimulatedHost host) {
        if (engines != null) {
            return engines.begin(node, host);
        }
        return node.role() == NodeRole.PREFILL ? new PrefillLife(node, host) : new DecodeLife(node, host);
    }

    private void called(HttpCall call) {
        if (call.path().equals("/v1/completions")) {
            boolean isDecode = decodeAddresses.contains(call.address());
            String id = String.valueOf(call.headers().get("X-Request-Id"));
            String stem = id.indexOf('.') < 0 ? id : id.substring(0, id.indexOf('.'));
            if (!stem.startsWith("shared")) { // several requests, one behind the other
                (isDecode ? decodeCalls : prefillCalls).merge(stem, 1, Integer::sum);
            }
            network.trace("gateway", "calls " + call.address() + " for " + id);
        }
    }

    private Result run() {
        try {
            live();
        } catch (RuntimeException | AssertionError e) {
            List<StackTraceElement> frames = List.of(e.getStackTrace());
            violations.add("an exception ended the run: " + e + " at "
                    + frames.subList(0, Math.min(SHOWN_FRAMES, frames.size())));
        }
        Map<String, Integer> outcomes = new TreeMap<>();
        clients.forEach(client -> outcomes.merge(client.outcome().name(), 1, Integer::sum));
        return new Result(
                seed,
                violations,
                outcomes,
                engines == null ? Map.of() : engines.counters(),
                faults.counts(),
                faults.points(),
                network.time().happened(),
                network.time().nowNs());
    }

    private void live() {
        network.trace("seed " + seed, scenario + " with " + faults);
        for (ModelClient.Plan plan : scenario.clients()) {
            network.time().at(plan.atNs(), () -> start(plan));
        }
        if (scenario.drainNs() != Long.MAX_VALUE) {
            network.time().at(scenario.drainNs(), this::drain);
        }
        network.time().at(LOOK_NS, this::look);
        network.time().at(FAULTS_NS, runs::faultsAreOver);
        network.time().runUntil(HEALED_NS);
        requireHealth();
        network.time().runUntil(DEADLINE_NS, this::allHaveEnded);
        awaitRest();
        clients.forEach(this::requireEnd);
        requireRest();
        if (scenario.drainNs() == Long.MAX_VALUE) {
            serveAgain();
        }
    }

    /** Lets what requests have left behind end, as far as it does. */
    private void awaitRest() {
        long endNs = network.time().nowNs() + (engines == null ? PrefillLife.LEASE_NS : ENGINES_REST_NS);
        do {
            network.time().runUntil(network.time().nowNs() + SECOND);
        } while (network.time().nowNs() < endNs && !areNodesAtRest());
    }

    private boolean areNodesAtRest() {
        return engines == null ? runs.heldLeases() == 0 : engines.faultsAtRest().isEmpty();
    }

    private boolean allHaveEnded() {
        return clients.stream().noneMatch(ModelClient::isUnderWay);
    }

    private void start(ModelClient.Plan plan) {
        HttpClientConfig patient = HttpClientConfig.DEFAULT.withSilence(Duration.ofHours(1), Duration.ofHours(1));
        var client = new ModelClient(
                plan, new SimulatedHttp(clientHost, patient, call -> {}), prompts, runs, this::violation);
        clients.add(client);
        client.start(new HttpAddress(GATEWAY, SimulatedGateway.PORT));
    }

    private void violation(String what) {
        network.trace("VIOLATION", what);
        violations.add(String.format("%.3f s: %s", network.time().nowNs() / 1e9, what));
    }

    /** As a gateway that is told to stop: it takes no more, and at the end of its patience it tells those that are left. */
    private void drain() {
        network.trace("gateway", "drains");
        SimulatedGateway stopping = gateway();
        stopping.running().refuseMore();
        network.time().at(network.time().nowNs() + DRAIN_NS, () -> {
            network.trace("gateway", "tells " + stopping.running().count() + " clients that it stops");
            stopping.running().stopAll();
            long afterNs = scenario.isMortal() ? 3 * SimulatedNetwork.LONGEST_DELAY_NS : SECOND / 10;
            network.time().at(network.time().nowNs() + afterNs, () -> {
                boolean isPaused = !gatewayHost.isUp() || !network.isReachable(gatewayHost, CLIENTS);
                if (stopping.equals(gateway()) && stopping.running().count() > 0 && !isPaused) {
                    violation("answers go on behind the drain: "
                            + stopping.running().count());
                }
            });
        });
    }

    /** Looks every now and then at what must hold at any time. */
    private void look() {
        for (NodeRole role : NodeRole.values()) {
            for (FleetNode node : gateway().fleet().nodes(role)) {
                if (node.load().activeTokens() < 0 || node.load().activeKv() < 0 || node.inFlight() < 0) {
                    violation("negative load on " + node + ": " + node.load());
                }
                requireLeft(node);
            }
        }
        nodeHosts.forEach(this::requireVerdict);
        if (gateway().heldBytes() < 0) {
            violation("negative bytes are held");
        }
        network.time().at(network.time().nowNs() + LOOK_NS, this::look);
    }

    /** A node that nothing comes from gets no requests, once that has lasted; unless the gateway stands still itself. */
    private void requireVerdict(SimulatedHost host) {
        long nowNs = network.time().nowNs();
        if (network.isReachable(host, GATEWAY) || !network.isReachable(gatewayHost, host.address())) {
            silentSinceNs.remove(host);
        } else if (nowNs - silentSinceNs.computeIfAbsent(host, unseen -> nowNs) > VERDICT_NS) {
            for (NodeRole role : NodeRole.values()) {
                gateway().fleet().nodes(role).stream()
                        .filter(node -> node.address().host().equals(host.address()) && node.isHealthy())
                        .filter(node -> gatewayHost.nowNs() - gateway().http().heardNs(node.address()) > VERDICT_NS)
                        .forEach(node ->
                                violation(node + " counts as well after " + VERDICT_NS / SECOND + " s of silence"));
            }
        }
    }

    /** Nobody waits for a node that is known to hang, unless the gateway stands still itself or is late with what it does. */
    private void requireLeft(FleetNode node) {
        long lateNs = scenario.isMortal() ? SimulatedNetwork.LONGEST_DELAY_NS : SECOND / 1000;
        boolean isNew = node.judgedFor().compareTo(Duration.ofNanos(lateNs)) < 0;
        boolean standsStill = gatewayHost.hungUntilNs() >= network.time().nowNs();
        if (node.verdict().kind() == Verdict.Kind.HUNG && !isNew && !standsStill) {
            long sinceNs = node.verdict().sinceNs();
            gateway().http().underWay().stream()
                    .filter(call -> call.call().address().equals(node.address()))
                    .filter(call -> call.call().path().equals("/v1/completions"))
                    .filter(call -> call.startNs() < sinceNs)
                    .forEach(call -> violation("a call waits for " + node + ", which hangs"));
        }
    }

    private void requireEnd(ModelClient client) {
        if (client.isUnderWay() && !client.isLost()) {
            violation(client + " has no answer: " + client.plan());
        }
    }

    private void requireHealth() {
        for (NodeRole role : NodeRole.values()) {
            for (FleetNode node : gateway().fleet().nodes(role)) {
                if (!node.isHealthy()) {
                    violation(node + " is well again, but the gateway says " + node.verdict());
                }
            }
        }
    }

    /** Nothing is left of requests that have ended. */
    private void requireRest() {
        for (NodeRole role : NodeRole.values()) {
            for (FleetNode node : gateway().fleet().nodes(role)) {
                if (node.load().activeTokens() != 0 || node.load().activeKv() != 0 || node.inFlight() != 0) {
                    violation("load without requests on " + node + ": " + node.load() + ", " + node.inFlight());
                }
            }
        }
        requireZero("answers under way", gateway().running().count());
        requireZero("bytes held", gateway().heldBytes());
        requireZero("posts expected", gateway().expectedPosts());
        requireZero("leases held", runs.heldLeases());
        if (engines != null) {
            engines.faultsAtRest().forEach(this::violation);
        }
        if (isUndisturbed()) {
            requireZero("leases that nobody freed", runs.expiredLeases());
        }
        long calls = gateway().http().underWay().stream()
                .filter(call -> call.call().path().equals("/v1/completions"))
                .count();
        requireZero("calls under way", calls);
        requireCounts();
    }

    /** Clients may have left, but whoever was told something heard it. */
    private boolean isUndisturbed() {
        return faults.counts().isEmpty()
                && scenario.pauses().isEmpty()
                && scenario.prefill().stream().allMatch(node -> node.isTandem() && node.errorShare() == 0)
                && scenario.decode().stream().allMatch(node -> node.errorShare() == 0);
    }

    private void requireZero(String what, long count) {
        if (count != 0) {
            violation(what + " at rest: " + count);
        }
    }

    /** What was counted is what happened. */
    private void requireCounts() {
        long counted = gateways.stream()
                .mapToLong(life -> life.counter(GatewayCounter.DISAGGREGATED))
                .sum();
        if (counted > runs.seemHandedOff()) {
            violation(counted + " requests are counted as disaggregated, but nodes decoded " + runs.seemHandedOff());
        }
        int attempts = scenario.settings().maxAttempts();
        int decodeLimit = Math.min(2, attempts);
        boolean isPull = options.kind() == HandoffKind.PULL;
        int mostDecode = isPull ? decodeLimit : decodeLimit + attempts;
        int mostPrefill = isPull ? attempts : (decodeLimit + attempts) * attempts;
        requireAtMost(mostDecode, decodeCalls, "decode");
        requireAtMost(mostPrefill, prefillCalls, "prefill");
    }

    private void requireAtMost(int most, Map<String, Integer> calls, String role) {
        calls.forEach((id, count) -> {
            if (count > most) {
                violation(count + " " + role + " nodes were called for " + id + "; at most " + most + " may be");
            }
        });
    }

    /** All is well again: requests that come now are answered. */
    private void serveAgain() {
        List<ModelClient> late = new ArrayList<>();
        long nowNs = network.time().nowNs();
        for (int i = 0; i < AGAIN_CLIENTS; i++) {
            var plan = new ModelClient.Plan(
                    FIRST_AGAIN + i,
                    nowNs + i * SECOND,
                    new ModelClient.Ask(1, 1, 1 + again.nextInt(4), again.nextBoolean()),
                    -1,
                    0,
                    false,
                    0);
            network.time().at(plan.atNs(), () -> {
                start(plan);
                late.add(clients.getLast());
            });
        }
        network.time()
                .runUntil(
                        nowNs + AGAIN_NS,
                        () -> late.size() == AGAIN_CLIENTS && late.stream().noneMatch(ModelClient::isUnderWay));
        for (ModelClient client : late) {
            if (client.outcome() != ModelClient.Outcome.ANSWERED && !scenario.isShortOfMemory()) {
                violation(client + " is not served although all is well: " + client.outcome() + " " + client.detail());
            }
        }
    }

    @Override
    public void close() {
        if (engines != null) {
            engines.close();
        }
    }
}
