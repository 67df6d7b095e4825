package dev.tandem.preflight.script.rule;

import dev.tandem.api.HttpAddress;
import dev.tandem.engine.handoff.HandoffConfig.Connector;
import dev.tandem.preflight.deployment.Hosts;
import dev.tandem.preflight.script.command.Call.Origin;
import dev.tandem.preflight.script.command.Findings;
import dev.tandem.preflight.script.command.NodeStart;
import dev.tandem.preflight.script.command.ProxyStart;
import dev.tandem.preflight.script.command.ScriptedDeployment;
import dev.tandem.preflight.script.shell.SourceLocation;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** The lists of a proxy against the nodes that they name. */
final class ProxyRules {
    private final ScriptedDeployment deployment;
    private final Findings findings;
    private final Set<NodeStart> listed = new HashSet<>();
    private final Set<ProxyStart> misfits = new HashSet<>();

    private ProxyRules(ScriptedDeployment deployment, Findings findings) {
        this.deployment = deployment;
        this.findings = findings;
    }

    static void check(ScriptedDeployment deployment, Findings findings) {
        var rules = new ProxyRules(deployment, findings);
        deployment.proxies().forEach(rules::check);
        if (!deployment.proxies().isEmpty() && deployment.isWhole()) {
            rules.unlisted();
        }
    }

    private void check(ProxyStart proxy) {
        proxy.config().nodes().prefill().forEach(address -> entry(proxy, true, address));
        proxy.config().nodes().decode().forEach(address -> entry(proxy, false, address));
        if (proxy.isLayerwise() && Hosts.isLoopback(advertised(proxy))) {
            deployment.decode().stream()
                    .filter(node ->
                            node.host().filter(host -> !Hosts.isLoopback(host)).isPresent())
                    .findFirst()
                    .ifPresent(node -> findings.error(
                            proxy.call().at("host"),
                            "decode nodes post to the gateway, and that of " + node.location() + " is not on "
                                    + advertised(proxy),
                            "give the gateway's own address as --host, or beside it as --advertised-host"));
        }
    }

    private static String advertised(ProxyStart proxy) {
        return proxy.config().policies().shape() instanceof dev.tandem.gateway.PdShape.DecodeFirst first
                ? first.advertisedHost().orElse(proxy.listen().host())
                : proxy.listen().host();
    }

    private void entry(ProxyStart proxy, boolean isPrefill, HttpAddress address) {
        SourceLocation location = proxy.call().at(isPrefill ? "prefiller-hosts" : "decoder-hosts");
        Optional<NodeStart> node = deployment.nodes().stream()
                .filter(each -> isAt(each, address))
                .min((one, other) -> Boolean.compare(hasRole(other, isPrefill), hasRole(one, isPrefill)));
        if (node.isEmpty()) {
            nobody(location, isPrefill, address);
            return;
        }
        listed.add(node.get());
        if (node.get().parallel().isHeadless()) {
            headless(proxy, location, address, node.get());
        } else if (node.get().handoff().isEmpty()) {
            findings.error(
                    location,
                    address + " is the node of " + node.get().location()
                            + ", which has no --kv-transfer-config and takes no part in handoffs",
                    "give it one");
        } else if (!hasRole(node.get(), isPrefill)) {
            findings.error(
                    location,
                    address + " is listed for " + (isPrefill ? "prefill" : "decode") + ", and the node of "
                            + node.get().location() + " is a "
                            + (isPrefill ? "kv_consumer, for decode" : "kv_producer, for prefill"),
                    "put it into the other list");
        } else if (!misfits.contains(proxy)) {
            shape(proxy, node.get());
        }
    }

    private static boolean hasRole(NodeStart node, boolean isPrefill) {
        return isPrefill ? node.isPrefill() : node.isDecode();
    }

    /** Whether a node answers at an address, or would if it had HTTP. */
    private static boolean isAt(NodeStart node, HttpAddress address) {
        if (node.port() != address.port()) {
            return false;
        }
        String host = address.host();
        if (!Hosts.isWildcard(node.bound()) && !node.parallel().isHeadless()) {
            return node.bound().equals(host)
                    || (host.equals("localhost") && node.bound().equals("127.0.0.1"))
                    || node.call().command().scene().isUnknown(node.bound());
        }
        return node.host().isEmpty()
                || node.host().get().equals(host)
                || (host.equals("localhost") || host.equals("127.0.0.1")); // the proxy may stand on the node's machine
    }

    private void headless(ProxyStart proxy, SourceLocation location, HttpAddress address, NodeStart node) {
        String found = address + " is the node of " + node.location() + ", which runs --headless: nobody listens there";
        String fix = "take it out of the list, and its port; its head spreads requests over its ranks";
        if (proxy.call().origin() == Origin.TANDEM) {
            findings.warning(location, found + "; tandem proxy leaves it out and says so", fix);
        } else {
            findings.error(location, found + ", and the example program sends it its share of the requests", fix);
        }
    }

    /** Compares the order of calls with a node's connector; the first node that does not fit speaks for the others. */
    private void shape(ProxyStart proxy, NodeStart node) {
        boolean isLayerwise = node.handoff()
                .filter(kv -> kv.connector() == Connector.LAYERWISE)
                .isPresent();
        if (isLayerwise != proxy.isLayerwise()) {
            misfits.add(proxy);
        }
        if (isLayerwise && !proxy.isLayerwise()) {
            findings.error(
                    proxy.location(),
                    "this program asks prefill nodes first, and the nodes, as that of " + node.location()
                            + ", run MooncakeLayerwiseConnector, where decode comes first",
                    proxy.call().origin() == Origin.TANDEM
                            ? "add --layerwise"
                            : "use load_balance_proxy_layerwise_server_example.py, with the same arguments");
        } else if (!isLayerwise && proxy.isLayerwise()) {
            findings.error(
                    proxy.location(),
                    "this program asks decode nodes first, and the nodes, as that of " + node.location()
                            + ", run a connector that reads, where prefill comes first",
                    proxy.call().origin() == Origin.TANDEM
                            ? "leave --layerwise out"
                            : "use load_balance_proxy_server_example.py, with the same arguments");
        }
    }

    private void nobody(SourceLocation location, boolean isPrefill, HttpAddress address) {
        List<NodeStart> side = deployment.nodes().stream()
                .filter(node -> hasRole(node, isPrefill) && !node.parallel().isHeadless())
                .toList();
        if (!deployment.isWhole() || side.isEmpty()) {
            return;
        }
        Optional<NodeStart> onHost = side.stream()
                .filter(node -> node.host().filter(address.host()::equals).isPresent())
                .findFirst();
        if (onHost.isPresent()) {
            findings.error(
                    location,
                    "nobody listens on " + address + ": the node of "
                            + onHost.get().location() + " on that host listens on "
                            + (onHost.get().port() == address.port()
                                    ? onHost.get().bound() + ":"
                                    : "port ")
                            + onHost.get().port(),
                    "make list and node agree");
        } else {
            findings.warning(
                    location,
                    "none of these scripts starts a node at " + address,
                    "correct the list, or give check the script of that node too");
        }
    }

    private void unlisted() {
        for (NodeStart node : deployment.nodes()) {
            if (node.handoff().isPresent() && !node.parallel().isHeadless() && !listed.contains(node)) {
                findings.warning(
                        node.location(),
                        "no proxy of these scripts lists this node: it is never asked",
                        "put " + node.host().orElse("its address") + " and port " + node.port()
                                + " into the proxy's list of " + (node.isPrefill() ? "prefill" : "decode") + " nodes");
            }
        }
    }
}
