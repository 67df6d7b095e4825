package dev.tandem.ops.simulate;

import dev.tandem.engine.handoff.HandoffConfig.Connector;
import dev.tandem.engine.handoff.HandoffConfig.Role;
import dev.tandem.engine.handoff.Invitation;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.ops.simulate.SimulatedNetwork.Link;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * One seed: prefill and decode nodes with the real engine loop, scheduler and connectors, and clients that send each prompt to P and then, with
 * its ticket, to D (or to D, which has P invited), while the seed brings faults. Whatever must never be is an {@link IllegalStateException}.
 */
public final class EngineSimulation implements AutoCloseable {
    static final long SECOND = 1_000_000_000L;
    private static final int API_PORT = 8000;
    private static final int METASERVER_PORT = 8100;
    private static final long TROUBLE_NS = 15 * SECOND; // faults and requests begin in it
    private static final long REST_NS = 200 * SECOND; // by then all must be over
    private static final long FAULTS_COST_NS = 60 * SECOND; // what faults may delay the end of a request by
    private static final long STEPS_COST_NS = 5 * SECOND; // the same for the steps that run when a deadline comes

    /** What a decode node sends to the metaserver. */
    private record Invite(String exchange, HandoffTicket ticket) {}

    /** What tests put in the place of simulated parts, to see that it is found. */
    interface Plan extends EngineDeployment.Tampering {
        default Faults faults(SplittableRandom random, long untilNs) {
            return Faults.drawn(random, untilNs);
        }

        default Connector connector(SplittableRandom random) {
            return random.nextBoolean() ? Connector.PULL : Connector.LAYERWISE;
        }
    }

    private final SplittableRandom random;
    private final Plan plan;
    private final Faults faults;
    private final SimulatedNetwork network;
    private final SimulatedHost client;
    private final Connector connector;
    private final List<SimulatedHost> prefill = new ArrayList<>();
    private final List<SimulatedHost> decode = new ArrayList<>();
    private final Map<SimulatedHost, SimulatedNode> nodes = new LinkedHashMap<>(); // in their present lives
    private final List<SimulatedNode> all = new ArrayList<>();
    private final Map<String, EngineExchange> exchanges = new LinkedHashMap<>();
    private final Map<String, Integer> outcomes = new TreeMap<>();

    /** @param trace gets a line for whatever happens */
    public EngineSimulation(long seed, Consumer<String> trace) {
        this(seed, new Plan() {}, trace);
    }

    EngineSimulation(long seed, Plan plan, Consumer<String> trace) {
        this.random = new SplittableRandom(seed);
        this.plan = plan;
        this.faults = plan.faults(random.split(), TROUBLE_NS);
        this.connector = plan.connector(random);
        var link = new Link(
                random.nextLong(20_000, 2_000_000), random.nextLong(1, 1_000_000), logUniform(4_000, 10_000_000));
        this.network = new SimulatedNetwork(random.split(), faults, link, trace);
        this.client = network.steadyHost("10.0.0.1");
        network.listen(client, METASERVER_PORT, Metaserver::new);
        network.trace("seed " + seed, connector + ", " + faults + ", " + link);
        var deployment = EngineDeployment.draw(random, connector, plan);
        for (int i = 0; i < random.nextInt(1, 3); i++) {
            String address = "10.0.1." + (i + 1);
            addNode(prefill, address, deployment.setup(random, Role.PRODUCER, address));
        }
        for (int i = 0; i < random.nextInt(1, 3); i++) {
            String address = "10.0.2." + (i + 1);
            addNode(decode, address, deployment.setup(random, Role.CONSUMER, address));
        }
        int requests = random.nextInt(5, 50);
        for (int i = 0; i < requests; i++) {
            var exchange = new EngineExchange(this, "r" + i);
            exchanges.put(exchange.id(), exchange);
            network.time().at(random.nextLong(SECOND / 10, TROUBLE_NS), exchange::begin);
        }
    }

    /** Small values as often as large ones. */
    long logUniform(long least, long most) {
        return EngineDeployment.logUniform(random, least, most);
    }

    private void addNode(List<SimulatedHost> side, String address, SimulatedNode.Setup setup) {
        side.add(network.host(address, host -> {
            var node = new SimulatedNode(
                    host, setup, (invitation, answered) -> invite(host, invitation, answered), plan::transfers);
            nodes.put(host, node);
            all.add(node);
            network.listen(host, API_PORT, connection -> new ServedClient(slackNs(), node, connection));
        }));
    }

    /** Runs to the end, and sees that all is at rest. */
    public void run() {
        network.time().runUntil(REST_NS);
        for (EngineExchange exchange : exchanges.values()) {
            check(exchange.isOver(), exchange.id() + " has not ended");
        }
        for (SimulatedNode node : nodes.values()) {
            List<String> left = node.faultsAtRest();
            check(left.isEmpty(), "not at rest: " + left);
        }
    }

    static void check(boolean holds, String message) {
        if (!holds) {
            throw new IllegalStateException(message);
        }
    }

    SimulatedNetwork network() {
        return network;
    }

    SplittableRandom random() {
        return random;
    }

    Connector connector() {
        return connector;
    }

    SimulatedHost anyPrefill() {
        return prefill.get(random.nextInt(prefill.size()));
    }

    SimulatedHost anyDecode() {
        return decode.get(random.nextInt(decode.size()));
    }

    /** Where an exchange's prompt can be had pushed. */
    String metaserver(String exchange) {
        return "http://" + client.address() + ":" + METASERVER_PORT + "/" + exchange;
    }

    /** Opens a client's connection to a node. */
    SimulatedConnection connect(
            SimulatedHost node, Function<SimulatedConnection, ? extends SimulatedConnection.Handler> handler) {
        return network.connect(client, node.address(), API_PORT, "api", handler::apply);
    }

    private EngineExchange exchange(String id) {
        EngineExchange exchange = exchanges.get(id);
        if (exchange == null) {
            throw new IllegalStateException("no exchange " + id);
        }
        return exchange;
    }

    /** How long after its deadline a request may live. */
    long slackNs() {
        return faults.isNone() ? STEPS_COST_NS : FAULTS_COST_NS;
    }

    void count(String outcome) {
        check(!faults.isNone() || !outcome.equals(EngineExchange.LOST), "a connection is lost, and nothing is wrong");
        outcomes.merge(outcome, 1, Integer::sum);
    }

    /** What faults came. */
    public Faults faults() {
        return faults;
    }

    /** How requests ended, and how often. */
    public Map<String, Integer> outcomes() {
        return outcomes;
    }

    /** What the engines and their exchanges counted, in all lives of all nodes. */
    public Map<String, Long> counters() {
        return SimulatedNode.counters(all);
    }

    /** Events that have happened. */
    public long events() {
        return network.time().happened();
    }

    @Override
    public void close() {
        all.forEach(SimulatedNode::close);
    }

    /** Decode node: has the metaserver invite a prefill node. */
    private Runnable invite(SimulatedHost host, Invitation invitation, Consumer<Optional<String>> answered) {
        String exchange =
                invitation.metaserver().substring(invitation.metaserver().lastIndexOf('/') + 1);
        var question = new Invite(exchange, HandoffTicket.fromParams(invitation.params()));
        var isAnswered = new boolean[1];
        Consumer<Optional<String>> once = answer -> {
            if (!isAnswered[0]) {
                isAnswered[0] = true;
                answered.accept(answer);
            }
        };
        SimulatedConnection call =
                network.connect(host, client.address(), METASERVER_PORT, "metaserver", connection -> {
                    host.after(invitation.timeout().toNanos(), "invitation timeout", () -> {
                        once.accept(Optional.of("no answer in time"));
                        connection.close("no answer in time");
                    });
                    return new SimulatedConnection.Handler() {
                        @Override
                        public void opened() {
                            connection.send(question, 500);
                        }

                        @Override
                        @SuppressWarnings("unchecked") // the metaserver's answers
                        public void received(Object message) {
                            once.accept((Optional<String>) message);
                            connection.close("answered");
                        }

                        @Override
                        public void closed(String reason) {
                            once.accept(Optional.of("connection lost"));
                        }
                    };
                });
        return () -> {
            call.close("called off");
            host.after(0, "invitation called off", () -> once.accept(Optional.of("called off")));
        };
    }

    /** The client's metaserver: has a prompt pushed that it knows. */
    private final class Metaserver implements SimulatedConnection.Handler {
        private final SimulatedConnection connection;

        Metaserver(SimulatedConnection connection) {
            this.connection = connection;
        }

        @Override
        public void opened() {}

        @Override
        public void received(Object message) {
            var invite = (Invite) message;
            EngineExchange exchange = exchange(invite.exchange());
            exchange.push(invite.ticket(), this::answer);
        }

        private void answer(Optional<String> answer) {
            connection.send(answer, 100);
        }

        @Override
        public void closed(String reason) {}
    }
}
