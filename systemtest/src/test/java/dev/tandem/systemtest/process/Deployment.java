package dev.tandem.systemtest.process;

import dev.tandem.api.Loopback;
import dev.tandem.ops.topology.Topology.Endpoint;
import dev.tandem.ops.verify.GatewayHealth;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;

/**
 * One gateway, one prefill node and one decode node, each in a process of its own. All deployments of this JVM are at the same addresses,
 * one after another, behind one gateway that stays.
 */
public final class Deployment implements AutoCloseable {
    public static final String MODEL = "m";

    private static final String PREFILL_HOST = Loopback.next();
    private static final String DECODE_HOST = Loopback.next();

    /** Starts with the first deployment and ends with this JVM. */
    private static final class Gateway {
        static final TandemProcess PROCESS = startGateway(List.of(PREFILL_HOST), List.of(DECODE_HOST));
    }

    private final Path checkpoint;
    private final Map<String, String> variables;
    private final List<String> flags;
    private WarmNode prefill;
    private WarmNode decode;

    private Deployment(Path checkpoint, Map<String, String> variables, List<String> flags) {
        this.checkpoint = checkpoint;
        this.variables = variables;
        this.flags = List.copyOf(flags);
        this.prefill = startPrefill();
        this.decode = startDecode();
    }

    /** Starts both nodes; returns when the gateway sees them. */
    public static Deployment start(Path checkpoint, String... flags) {
        return start(checkpoint, Map.of(), flags);
    }

    /** The same with environment variables for the nodes. */
    public static Deployment start(Path checkpoint, Map<String, String> variables, String... flags) {
        var deployment = new Deployment(checkpoint, variables, Arrays.asList(flags));
        TandemProcess gateway = deployment.gateway();
        deployment.prefill.awaitReady();
        deployment.decode.awaitReady();
        awaitHealthy(gateway.awaitReady().http(), 1, 1);
        return deployment;
    }

    /** An aggregated node, ready, on an address of its own. */
    public static WarmNode aggregated(Path checkpoint, String... flags) {
        var arguments = new ArrayList<>(List.of("serve", checkpoint.toString(), "--served-model-name", MODEL));
        arguments.addAll(Arrays.asList(flags));
        return WarmNode.start(Loopback.next(), arguments, Map.of()).awaitReady();
    }

    private WarmNode startPrefill() {
        return startNode(PREFILL_HOST, "kv_producer", "0");
    }

    private WarmNode startDecode() {
        return startNode(DECODE_HOST, "kv_consumer", "1");
    }

    private WarmNode startNode(String host, String kvRole, String engineId) {
        var arguments = new ArrayList<>(List.of("serve", checkpoint.toString(), "--served-model-name", MODEL));
        arguments.addAll(flags);
        arguments.addAll(List.of("--kv-transfer-config", transfer("MooncakeConnector", kvRole, engineId)));
        return WarmNode.start(host, arguments, variables);
    }

    /** A gateway for nodes on these addresses, each at {@link TandemProcess#HTTP_PORT}; not ready yet. */
    public static TandemProcess startGateway(
            List<String> prefillHosts, List<String> decodeHosts, String... furtherFlags) {
        String port = Integer.toString(TandemProcess.HTTP_PORT);
        var arguments = new ArrayList<>(List.of("proxy"));
        arguments.addAll(Arrays.asList(furtherFlags));
        arguments.add("--prefiller-hosts");
        arguments.addAll(prefillHosts);
        arguments.add("--prefiller-ports");
        arguments.addAll(Collections.nCopies(prefillHosts.size(), port));
        arguments.add("--decoder-hosts");
        arguments.addAll(decodeHosts);
        arguments.add("--decoder-ports");
        arguments.addAll(Collections.nCopies(decodeHosts.size(), port));
        return TandemProcess.start("gateway", arguments);
    }

    /** The value of {@code --kv-transfer-config} for a node with an address of its own. */
    public static String transfer(String connector, String kvRole, String engineId) {
        return "{\"kv_connector\":\"" + connector + "\",\"kv_role\":\"" + kvRole + "\",\"kv_port\":\""
                + TandemProcess.KV_PORT + "\",\"engine_id\":\"" + engineId + "\"}";
    }

    /** Starts the prefill node again where it was; it must have ended. */
    public void restartPrefill() {
        prefill = startPrefill().awaitReady();
        awaitHealthy(gateway().http(), 1, 1);
    }

    /** Starts the decode node again where it was; it must have ended. */
    public void restartDecode() {
        decode = startDecode().awaitReady();
        awaitHealthy(gateway().http(), 1, 1);
    }

    /** Waits until a gateway holds so many nodes for healthy. */
    public static void awaitHealthy(Endpoint gateway, int prefillNodes, int decodeNodes) {
        var health = new GatewayHealth(gateway);
        Await.until(
                Duration.ofSeconds(60),
                () -> {
                    try {
                        return health.missing(prefillNodes, decodeNodes).isEmpty();
                    } catch (InterruptedException e) {
                        Thread.currentThread().interrupt();
                        throw new AssertionError(e);
                    }
                },
                () -> "the gateway does not see its nodes");
    }

    public WarmNode prefill() {
        return prefill;
    }

    public WarmNode decode() {
        return decode;
    }

    public TandemProcess gateway() {
        return Gateway.PROCESS;
    }

    /** Stops both nodes. */
    @Override
    public void close() {
        decode.close();
        prefill.close();
    }
}
