package dev.tandem.process;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * The shell scripts of the Qwen guide as they stand in its own text, by the name of their tab. Substituted are a reader's own things only:
 * addresses, the network card, the path of the checkpoint, {@code tandem} for {@code vllm}, and, as all nodes share one host, each node's
 * own address for 0.0.0.0.
 */
final class GuideScripts {
    private static final Path GUIDE = TandemProcess.ROOT.resolve("fixtures/guides/qwen3-235b-2p1d-mooncake.md");
    private static final Pattern TAB = Pattern.compile("::::\\{tab-item\\} (.+)\n\n```shell\n([^`]+)```");
    private static final Pattern PROXY = Pattern.compile("```shell\n(python load_balance_proxy[^`]+)```");
    private static final Pattern CURL = Pattern.compile("-d '(\\{[^']+\\})'\n```\\s*$");

    private final String text;

    private GuideScripts(String text) {
        this.text = text;
    }

    static GuideScripts read() {
        try {
            return new GuideScripts(Files.readString(GUIDE));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * The four nodes' scripts by tab: "Prefiller node 1" and so on.
     *
     * @param variant "layerwise" or "mooncake"
     */
    Map<String, String> nodes(String variant, Path checkpoint) {
        int from = text.indexOf("\n### " + variant + "\n");
        int to = text.indexOf("\n#", from + 1);
        var matcher = TAB.matcher(text.substring(from, to));
        var scripts = new LinkedHashMap<String, String>();
        while (matcher.find()) {
            String script = matcher.group(2);
            String host = host(scripts.size() + 1);
            scripts.put(
                    matcher.group(1),
                    substituted(script)
                            .replace("--host 0.0.0.0", "--host " + host)
                            .replace("/model/Qwen3-235B-A22B-W8A8", checkpoint.toString())
                            .replace("/mnt/weight/Qwen3-235B-A22B-W8A8", checkpoint.toString()));
        }
        return scripts;
    }

    /** The proxy's command; the pull variant has none of its own in the guide: the other program's name, the same arguments. */
    String proxy(String variant) {
        var matcher = PROXY.matcher(text);
        if (!matcher.find()) {
            throw new AssertionError("no proxy command in " + GUIDE);
        }
        String program = variant.equals("layerwise") ? "tandem proxy --layerwise" : "tandem proxy";
        return substituted(matcher.group(1))
                .replace("python load_balance_proxy_layerwise_server_example.py", program);
    }

    /** The body of the verification request. */
    String verification() {
        var matcher = CURL.matcher(text);
        if (!matcher.find()) {
            throw new AssertionError("no curl command in " + GUIDE);
        }
        return matcher.group(1);
    }

    /** The address that stands for the guide's 192.0.0.n. */
    static String host(int node) {
        return "127.0.1." + node;
    }

    private static String substituted(String script) {
        return script.replaceAll("192\\.0\\.0\\.(\\d)", "127.0.1.$1")
                .replace("\"eth0\"", "\"lo\"")
                .replace("vllm serve", "tandem serve");
    }
}
