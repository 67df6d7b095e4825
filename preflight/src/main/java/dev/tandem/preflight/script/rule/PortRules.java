package dev.tandem.preflight.script.rule;

import dev.tandem.node.flags.Parallel;
import dev.tandem.node.flags.PortPlan;
import dev.tandem.preflight.deployment.Hosts;
import dev.tandem.preflight.script.command.Call.Origin;
import dev.tandem.preflight.script.command.Findings;
import dev.tandem.preflight.script.command.NodeStart;
import dev.tandem.preflight.script.command.ProxyStart;
import dev.tandem.preflight.script.command.ScriptedDeployment;
import dev.tandem.preflight.script.rule.Listener.Purpose;
import dev.tandem.preflight.script.rule.Listener.Range;
import dev.tandem.preflight.script.shell.SourceLocation;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/** What two processes of one machine must not both open. */
final class PortRules {
    private PortRules() {}

    static void check(ScriptedDeployment deployment, Findings findings) {
        var before = new ArrayList<Listener>();
        for (NodeStart node : deployment.nodes()) {
            List<Listener> own = listeners(node);
            own.forEach(listener -> before.forEach(other -> compare(other, listener, node, findings)));
            before.addAll(own);
        }
        for (ProxyStart proxy : deployment.proxies()) {
            Listener own = listener(proxy);
            before.stream()
                    .filter(own::clashesWith)
                    .forEach(other -> findings.error(
                            proxy.call().at("port"),
                            own + " clashes with " + other + " of " + other.location() + " on the same machine",
                            "give the gateway another --port"));
            before.add(own);
        }
        equalRendezvous(deployment, findings);
    }

    private static void compare(Listener other, Listener own, NodeStart node, Findings findings) {
        if (!own.clashesWith(other)) {
            return;
        }
        findings.error(
                own.location(),
                own + " clashes with " + other + " of " + other.location() + " on the same machine",
                fix(own, other, node));
    }

    private static String fix(Listener own, Listener other, NodeStart node) {
        return switch (own.what()) {
            case SIDE_CHANNEL -> {
                PortPlan plan = node.config().ports().orElseThrow();
                OptionalInt next = plan.nextFree(port ->
                        port < other.ports().first() || port > other.ports().last());
                yield next.isPresent()
                        ? plan.base().setting() + " " + next.getAsInt() + " would do"
                        : "give it another " + plan.base().setting();
            }
            case HTTP ->
                Hosts.isWildcard(own.bound()) && !node.host().equals(other.machine())
                        ? "bind the node's own address: --host " + node.host().orElse("ADDRESS")
                                + ", and likewise there"
                        : "give it another --port";
            case JOINS -> "give one of the two another --data-parallel-rpc-port";
            case GATEWAY -> "give the gateway another --port";
            case TRANSFER -> "give one of the two another --handshake-port or --transfer-port";
        };
    }

    private static List<Listener> listeners(NodeStart node) {
        var listeners = new ArrayList<Listener>();
        Optional<String> machine = node.host();
        Parallel parallel = node.parallel();
        if (!parallel.isHeadless() && node.port() > 0) {
            listeners.add(new Listener(
                    Purpose.HTTP,
                    machine,
                    node.bound(),
                    new Range(node.port(), node.port()),
                    node.call().at("port")));
        }
        if (parallel.isHead()) {
            int port = parallel.head().rpcPort();
            listeners.add(new Listener(
                    Purpose.JOINS,
                    machine,
                    parallel.head().address(),
                    new Range(port, port),
                    node.call().at("data-parallel-rpc-port")));
        }
        node.config()
                .ports()
                .filter(plan -> plan.localDpRanks() > 0)
                .ifPresent(plan -> listeners.add(sideChannel(node, plan)));
        node.config()
                .transferPorts()
                .forEach((flag, port) -> listeners.add(new Listener(
                        Purpose.TRANSFER,
                        machine,
                        node.config().announcedHost(),
                        new Range(port, port),
                        node.call().at(flag.substring(2)))));
        return listeners;
    }

    private static Listener sideChannel(NodeStart node, PortPlan plan) {
        return new Listener(
                Purpose.SIDE_CHANNEL,
                node.host(),
                node.config().sideChannelHost(),
                new Range(plan.first(), plan.last()),
                node.config().usesRankTable() ? node.location() : node.call().at("kv-transfer-config", "kv_port"));
    }

    private static Listener listener(ProxyStart proxy) {
        String host = proxy.listen().host();
        return new Listener(
                Purpose.GATEWAY,
                Optional.of(host).filter(name -> !Hosts.isWildcard(name)),
                host,
                new Range(proxy.listen().port(), proxy.listen().port()),
                proxy.location());
    }

    /** Two deployments that meet at one address: vLLM binds it even where no other node is awaited. */
    private static void equalRendezvous(ScriptedDeployment deployment, Findings findings) {
        List<NodeStart> heads = deployment.nodes().stream()
                .filter(node ->
                        !node.parallel().isHeadless() && node.parallel().data().size() > 1)
                .toList();
        for (int i = 0; i < heads.size(); i++) {
            for (NodeStart other : heads.subList(0, i)) {
                Parallel.Head head = heads.get(i).parallel().head();
                boolean isOne = head.address().equals(other.parallel().head().address())
                        && head.rpcPort() == other.parallel().head().rpcPort();
                boolean isMeant = heads.get(i).parallel().data().balancing() != Parallel.Balancing.INTERNAL
                        || (heads.get(i).parallel().isHead() && other.parallel().isHead());
                if (isOne && !isMeant) {
                    reportEqualRendezvous(heads.get(i), other, findings);
                }
            }
        }
    }

    private static void reportEqualRendezvous(NodeStart node, NodeStart other, Findings findings) {
        Parallel.Head head = node.parallel().head();
        SourceLocation location = node.call().at("data-parallel-rpc-port");
        String found = "this deployment meets at " + head.address() + ":" + head.rpcPort() + ", and so does that of "
                + other.location();
        String fix = "give one of the two another --data-parallel-rpc-port";
        if (node.call().origin() == Origin.VLLM || other.call().origin() == Origin.VLLM) {
            findings.error(location, found + ": vLLM binds it for both", fix);
        } else {
            findings.warning(location, found + ": vLLM would bind it for both", fix);
        }
    }
}
