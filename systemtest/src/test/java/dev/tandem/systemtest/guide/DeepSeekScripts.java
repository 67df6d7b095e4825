package dev.tandem.systemtest.guide;

import dev.tandem.api.Loopback;
import java.nio.file.Path;
import java.util.function.Predicate;

/**
 * The scripts of the DeepSeek guide as its reader would run them. Substituted are the reader's own things only: addresses, the network
 * card, the paths of checkpoint and rank table, {@code tandem} for {@code vllm} and for the two programs of vllm-ascend, and, as both
 * nodes share one host, each node's own address for 0.0.0.0. The small checkpoint reaches 480 positions where the guide asks for 32,768,
 * so vLLM's variable for that is set.
 */
public final class DeepSeekScripts {
    private static final String GUIDE = "deepseek-v3.2-1p1d-llmdatadist.md";
    private static final String PROXY = "python load_balance_proxy_server_example.py";
    private static final String TABLE = "/vllm-workspace/vllm-ascend/examples/disaggregated_prefill_v1/ranktable.json";
    private static final String FOLDER = "vllm-ascend/examples/disaggregate_prefill_v1/";
    private static final String LONG_MODELS = "export VLLM_ALLOW_LONG_MAX_MODEL_LEN=1\n";

    /** The last line before the connector, without the backslash that the guide forgets. */
    private static final String FORGOTTEN = "}}'\n--kv-transfer-config";

    public static final String PREFILL = Loopback.next();
    public static final String DECODE = Loopback.next();

    private final Path checkpoint;
    private final Path folder;

    /** @param folder where the rank table lies */
    public DeepSeekScripts(Path checkpoint, Path folder) {
        this.checkpoint = checkpoint;
        this.folder = folder;
    }

    /** Erratum 25: the prefill node's script as it is printed. */
    public String printedPrefill() {
        String script = node("kv_producer", PREFILL);
        if (!script.contains(FORGOTTEN)) {
            throw new AssertionError("the guide has found its backslash:\n" + script);
        }
        return script;
    }

    public String fixedPrefill() {
        return printedPrefill().replace(FORGOTTEN, FORGOTTEN.replace("\n", " \\\n"));
    }

    public String decode() {
        return node("kv_consumer", DECODE);
    }

    private String node(String role, String host) {
        return LONG_MODELS
                + substituted(block(text -> text.contains("vllm serve") && text.contains(role)))
                        .replace("--host 0.0.0.0", "--host " + host)
                        .replace("/root/.cache/weights/dpsk_w8a8", checkpoint.toString());
    }

    /** What the guide runs on both nodes to write the rank table. */
    public String rankTable() {
        return substituted(block(text -> text.contains("gen_ranktable.sh")))
                .replace("bash gen_ranktable.sh", "tandem ranktable")
                .replace("enp23s0f3", "lo");
    }

    public String proxy() {
        return substituted(block(text -> text.contains(PROXY))).replace(PROXY, "tandem proxy");
    }

    /** The body of the verification request. */
    public static String verification() {
        String curl = block(text -> text.startsWith("curl "));
        return curl.substring(curl.indexOf('{'), curl.lastIndexOf('}') + 1);
    }

    private static String block(Predicate<String> isMeant) {
        return Guide.blocks(GUIDE).stream()
                .map(Guide.Block::text)
                .filter(isMeant)
                .findFirst()
                .orElseThrow();
    }

    private String substituted(String script) {
        return script.replace("172.22.0.218", PREFILL)
                .replace("172.22.0.155", DECODE)
                .replace("\"enp23s0f3\"", "\"lo\"")
                .replace(TABLE, folder.resolve("ranktable.json").toString())
                .replace(FOLDER, folder.toString())
                .replace("vllm serve", "tandem serve");
    }
}
