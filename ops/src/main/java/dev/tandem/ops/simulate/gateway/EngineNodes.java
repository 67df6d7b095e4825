package dev.tandem.ops.simulate.gateway;

import dev.tandem.engine.handoff.HandoffConfig.Connector;
import dev.tandem.engine.handoff.HandoffConfig.Role;
import dev.tandem.gateway.fleet.HandoffKind;
import dev.tandem.gateway.fleet.NodeRole;
import dev.tandem.ops.simulate.EngineDeployment;
import dev.tandem.ops.simulate.SimulatedHost;
import dev.tandem.ops.simulate.SimulatedNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;

/** The real engines behind the nodes of one simulation, in all their lives. */
final class EngineNodes implements AutoCloseable {
    private static final long STEPS_COST_NS = 5_000_000_000L;
    private static final long FAULTS_COST_NS = 60_000_000_000L;

    private final EngineDeployment deployment;
    private final SplittableRandom random;
    private final boolean isCalm;
    private final Duration requestTimeout;
    private final Map<String, SimulatedNode.Setup> setups = new HashMap<>(); // by address
    private final Map<SimulatedHost, SimulatedNode> running = new LinkedHashMap<>(); // in their present lives
    private final List<SimulatedNode> all = new ArrayList<>();

    /** @param isCalm whether nothing is scarce and no fault comes */
    EngineNodes(SplittableRandom random, HandoffKind kind, boolean isCalm, EngineDeployment.Tampering tampering) {
        Connector connector = switch (kind) {
            case PULL -> Connector.PULL;
            case LAYERWISE -> Connector.LAYERWISE;
        };
        this.random = random;
        this.isCalm = isCalm;
        this.deployment = EngineDeployment.draw(random, connector, tampering);
        this.requestTimeout = Duration.ofMillis(isCalm ? 60_000 : EngineDeployment.logUniform(random, 5_000, 60_000));
    }

    EngineDeployment deployment() {
        return deployment;
    }

    /** How long a request may take. */
    Duration requestTimeout() {
        return requestTimeout;
    }

    /** How long after that it may live. */
    long slackNs() {
        return isCalm ? STEPS_COST_NS : FAULTS_COST_NS;
    }

    /** A node's engine starts, for the first time or again. */
    EngineLife begin(HttpNode node, SimulatedHost host) {
        Role role = node.role() == NodeRole.PREFILL ? Role.PRODUCER : Role.CONSUMER;
        SimulatedNode.Setup setup = setups.computeIfAbsent(
                node.address(),
                address -> isCalm
                        ? deployment.roomySetup(random, role, address)
                        : deployment.setup(random, role, address));
        var life = new EngineLife(node, this, host, setup);
        running.put(host, life.engine());
        all.add(life.engine());
        return life;
    }

    /** One sentence for whatever is not at rest in engines that run. */
    List<String> faultsAtRest() {
        List<String> faults = new ArrayList<>();
        running.values().forEach(engine -> faults.addAll(engine.faultsAtRest()));
        return faults;
    }

    /** What engines and their handoffs counted, in all their lives. */
    Map<String, Long> counters() {
        return SimulatedNode.counters(all);
    }

    @Override
    public void close() {
        all.forEach(SimulatedNode::close);
    }
}
