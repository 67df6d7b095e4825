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
    private static final String GATEWAY_HOST = "127.0.0.1";
    private static final String PREFILL_HOST = "127.0.0.2";
    private static final String DECODE_HOST = "127.0.0.3";

    private final Path checkpoint;
    private final Map<String, String> variables;
    private final List<String> flags;
    private TandemProcess prefill;
    private TandemProcess decode;
    private final TandemProcess gateway;

    private Deployment(Path checkpoint, Map<String, String> variables, List<String> flags) {
        this.checkpoint = checkpoint;
        this.variables = variables;
        this.flags = List.copyOf(flags);
        this.prefill = startNode("prefill", PREFILL_HOST, "kv_producer", "0", 0);
        this.decode = startNode("decode", DECODE_HOST, "kv_consumer", "1", 0);
        this.gateway = TandemProcess.start(
                "gateway",
                GATEWAY_HOST,
                List.of(
                        "proxy",
                        "--prefiller-hosts",
                        PREFILL_HOST,
                        "--prefiller-ports",
                        Integer.toString(prefill.http().port()),
                        "--decoder-hosts",
                        DECODE_HOST,
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
        deployment.prefill.awaitReady();
        deployment.decode.awaitReady();
        deployment.gateway.awaitReady();
        deployment.awaitHealthy();
        return deployment;
    }

    /** An aggregated node with the same words. */
    public static TandemProcess aggregated(Path checkpoint, String... flags) {
        var words = new ArrayList<>(List.of("serve", checkpoint.toString(), "--served-model-name", MODEL));
        words.addAll(Arrays.asList(flags));
        return TandemProcess.start("aggregated", "127.0.0.4", words);
    }

    private TandemProcess startNode(String role, String host, String kvRole, String engineId, int port) {
        var words = new ArrayList<>(List.of("serve", checkpoint.toString(), "--served-model-name", MODEL));
        words.addAll(flags);
        words.addAll(List.of(
                "--kv-transfer-config",
                "{\"kv_connector\":\"MooncakeConnector\",\"kv_role\":\"" + kvRole + "\",\"kv_port\":\""
                        + TandemProcess.freePort(host) + "\",\"engine_id\":\"" + engineId + "\"}"));
        return port == 0
                ? TandemProcess.start(role, host, words, variables)
                : TandemProcess.startAt(role, host, port, words, variables);
    }

    /** Starts the prefill node again where it was; it must have ended. */
    public void restartPrefill() {
        prefill = startNode(
                        "prefill",
                        PREFILL_HOST,
                        "kv_producer",
                        "0",
                        prefill.http().port())
                .awaitReady();
        awaitHealthy();
    }

    /** Starts the decode node again where it was; it must have ended. */
    public void restartDecode() {
        decode = startNode(
                        "decode", DECODE_HOST, "kv_consumer", "1", decode.http().port())
                .awaitReady();
        awaitHealthy();
    }

    /** Waits until the gateway holds both nodes for healthy. */
    public void awaitHealthy() {
        var health = new GatewayHealth(gateway.http());
        Await.until(
                Duration.ofSeconds(60),
                () -> {
                    try {
                        return health.missing(1, 1).isEmpty();
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
