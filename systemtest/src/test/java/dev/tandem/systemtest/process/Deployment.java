package dev.tandem.systemtest.process;

import dev.tandem.ops.verify.GatewayHealth;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/** One gateway, one prefill node and one decode node as real processes, on loopback addresses of their own. */
public final class Deployment implements AutoCloseable {
    public static final String MODEL = "m";

    private final String prefillHost = Loopback.next();
    private final String decodeHost = Loopback.next();
    private Path checkpoint;
    private final Map<String, String> variables;
    private List<String> flags;
    private TandemProcess prefill;
    private TandemProcess decode;
    private final TandemProcess gateway;

    private Deployment(Path checkpoint, Map<String, String> variables, List<String> flags) {
        this.checkpoint = checkpoint;
        this.variables = variables;
        this.flags = List.copyOf(flags);
        this.prefill = startNode("prefill", prefillHost, "kv_producer", "0");
        this.decode = startNode("decode", decodeHost, "kv_consumer", "1");
        this.gateway = TandemProcess.start(
                "gateway",
                List.of(
                        "proxy",
                        "--prefiller-hosts",
                        prefillHost,
                        "--prefiller-ports",
                        Integer.toString(prefill.http().port()),
                        "--decoder-hosts",
                        decodeHost,
                        "--decoder-ports",
                        Integer.toString(decode.http().port())));
    }

    /** Starts all three; returns when they are ready. */
    public static Deployment start(Path checkpoint, String... flags) {
        return start(checkpoint, Map.of(), flags);
    }

    /** The same with environment variables for the nodes. */
    public static Deployment start(Path checkpoint, Map<String, String> variables, String... flags) {
        var deployment = new Deployment(checkpoint, variables, Arrays.asList(flags));
        deployment.gateway.awaitReady();
        deployment.awaitNodes();
        return deployment;
    }

    /** An aggregated node with the same words. */
    public static TandemProcess aggregated(Path checkpoint, String... flags) {
        var words = new ArrayList<>(List.of("serve", checkpoint.toString(), "--served-model-name", MODEL));
        words.addAll(Arrays.asList(flags));
        return TandemProcess.start("aggregated", words);
    }

    private TandemProcess startNode(String role, String host, String kvRole, String engineId) {
        var words = new ArrayList<>(List.of("serve", checkpoint.toString(), "--served-model-name", MODEL));
        words.addAll(flags);
        words.addAll(List.of("--kv-transfer-config", transfer("MooncakeConnector", kvRole, engineId)));
        return TandemProcess.start(role, host, words, variables);
    }

    /** The value of {@code --kv-transfer-config} for a node with an address of its own. */
    public static String transfer(String connector, String kvRole, String engineId) {
        return "{\"kv_connector\":\"" + connector + "\",\"kv_role\":\"" + kvRole + "\",\"kv_port\":\""
                + TandemProcess.KV_PORT + "\",\"engine_id\":\"" + engineId + "\"}";
    }

    /** Stops both nodes and starts others in their places; the gateway goes on. */
    public void redeploy(Path otherCheckpoint, String... otherFlags) {
        decode.close();
        prefill.close();
        checkpoint = otherCheckpoint;
        flags = List.of(otherFlags);
        prefill = startNode("prefill", prefillHost, "kv_producer", "0");
        decode = startNode("decode", decodeHost, "kv_consumer", "1");
        awaitNodes();
    }

    /** Starts the prefill node again where it was; it must have ended. */
    public void restartPrefill() {
        prefill = startNode("prefill", prefillHost, "kv_producer", "0").awaitReady();
        awaitHealthy();
    }

    /** Starts the decode node again where it was; it must have ended. */
    public void restartDecode() {
        decode = startNode("decode", decodeHost, "kv_consumer", "1").awaitReady();
        awaitHealthy();
    }

    private void awaitNodes() {
        prefill.awaitReady();
        decode.awaitReady();
        awaitHealthy();
    }

    private void awaitHealthy() {
        awaitHealthy(gateway, 1, 1);
    }

    /** Waits until a gateway holds so many nodes for healthy. */
    public static void awaitHealthy(TandemProcess gateway, int prefillNodes, int decodeNodes) {
        var health = new GatewayHealth(gateway.http());
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

    public TandemProcess prefill() {
        return prefill;
    }

    public TandemProcess decode() {
        return decode;
    }

    public TandemProcess gateway() {
        return gateway;
    }

    @Override
    public void close() {
        gateway.close();
        decode.close();
        prefill.close();
    }
}
