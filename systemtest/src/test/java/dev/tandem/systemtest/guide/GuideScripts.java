package dev.tandem.systemtest.guide;

import dev.tandem.api.Loopback;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import java.util.regex.Pattern;

/**
 * The scripts of the Qwen guide as its reader would run them: substituted are the reader's own things only, which are addresses, the
 * network card, the path of the checkpoint, {@code tandem} for {@code vllm}, and, as all nodes share one host, each node's own address
 * for 0.0.0.0.
 */
public final class GuideScripts {
    private static final String GUIDE = "qwen3-235b-2p1d-mooncake.md";
    private static final String PROXY = "python load_balance_proxy_layerwise_server_example.py";

    private static final Pattern ADDRESS = Pattern.compile("192\\.0\\.0\\.(\\d)");
    private static final List<String> HOSTS =
            List.of(Loopback.next(), Loopback.next(), Loopback.next(), Loopback.next());

    private GuideScripts() {}

    /**
     * The four nodes' scripts by tab: "Prefiller node 1" and so on.
     *
     * @param variant "layerwise" or "mooncake"
     */
    public static Map<String, String> nodes(String variant, Path checkpoint) {
        var scripts = new LinkedHashMap<String, String>();
        for (Guide.Block block : Guide.nodes(GUIDE)) {
            if (block.section().equals(variant)) {
                String host = host(scripts.size() + 1);
                scripts.put(
                        block.tab(),
                        substituted(block.text())
                                .replace("--host 0.0.0.0", "--host " + host)
                                .replace("/model/Qwen3-235B-A22B-W8A8", checkpoint.toString())
                                .replace("/mnt/weight/Qwen3-235B-A22B-W8A8", checkpoint.toString()));
            }
        }
        return scripts;
    }

    /** The proxy's command; the pull variant has none of its own in the guide: the other program's name, the same arguments. */
    public static String proxy(String variant) {
        String program = variant.equals("layerwise") ? "tandem proxy --layerwise" : "tandem proxy";
        return substituted(block(text -> text.contains(PROXY))).replace(PROXY, program);
    }

    /** The body of the verification request. */
    public static String verification() {
        String curl = block(text -> text.startsWith("curl "));
        return curl.substring(curl.indexOf('{'), curl.lastIndexOf('}') + 1);
    }

    /** The address that stands for the guide's 192.0.0.n, from 1. */
    public static String host(int node) {
        return HOSTS.get(node - 1);
    }

    private static String block(Predicate<String> isMeant) {
        return Guide.blocks(GUIDE).stream()
                .map(Guide.Block::text)
                .filter(isMeant)
                .findFirst()
                .orElseThrow();
    }

    private static String substituted(String script) {
        return ADDRESS.matcher(script)
                .replaceAll(address -> host(Integer.parseInt(address.group(1))))
                .replace("\"eth0\"", "\"lo\"")
                .replace("vllm serve", "tandem serve");
    }
}
