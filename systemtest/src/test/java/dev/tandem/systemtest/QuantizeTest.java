package dev.tandem.systemtest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.systemtest.process.Client;
import dev.tandem.systemtest.process.Deployment;
import dev.tandem.systemtest.process.Golden;
import dev.tandem.systemtest.process.Golden.Prompt;
import dev.tandem.systemtest.process.TandemProcess;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code tandem quantize} as a user runs it, and what it made served: the same tokens from one node and over P and D. */
class QuantizeTest {
    private static final int TOKENS = 12;
    private static final int PROMPTS = 4;

    @TempDir
    Path folder;

    /** What a finished command printed. */
    private record Finished(int status, String text) {}

    private static Finished tandem(String... arguments) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(TandemProcess.command(List.of(arguments)))
                .redirectErrorStream(true)
                .start();
        String text = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return new Finished(process.waitFor(), text);
    }

    private Finished quantize(String name, Path out, String... further) throws IOException, InterruptedException {
        var arguments = new ArrayList<>(
                List.of("quantize", Golden.FIXTURES.resolve(name).toString(), out.toString()));
        arguments.addAll(List.of(further));
        return tandem(arguments.toArray(String[]::new));
    }

    @Test
    void shouldServeWhatWasQuantized() throws IOException, InterruptedException {
        Path out = folder.resolve("qwen3-moe-int8");
        Finished made = quantize("qwen3-moe", out, "--scheme", "w8a8-dynamic");
        assertThat(made.status()).as(made.text()).isZero();
        assertThat(made.text())
                .contains("layer   0 of 4  attention rms 0.0", "layer   3 of 4")
                .contains("784 weights of 3,473,408 values as int8")
                .contains("copied config.json, generation_config.json, tokenizer.json, tokenizer_config.json");
        assertThat(tandem("inspect", out.toString()).text())
                .contains("ascend W8A8_DYNAMIC: 1 FLOAT, 784 W8A8_DYNAMIC linear weights");

        List<Prompt> prompts = Golden.folder("qwen3-moe").prompts().subList(0, PROMPTS);
        List<List<Integer>> aggregated;
        String[] flags = {"--dtype", "float32", "--max-model-len", "512", "--quantization", "ascend"};
        try (var node = Deployment.aggregated(out, flags)) {
            aggregated = generate(node.uri("/v1/completions"), prompts);
            assertThat(generate(node.uri("/v1/completions"), prompts)).isEqualTo(aggregated);
        }
        try (var deployment = Deployment.start(out, flags)) {
            assertThat(generate(deployment.gateway().uri("/v1/completions"), prompts))
                    .isEqualTo(aggregated);
        }
    }

    private static List<List<Integer>> generate(URI uri, List<Prompt> prompts) {
        return prompts.stream()
                .map(prompt -> {
                    List<Integer> ids = Client.post(uri, Client.greedy(prompt.ids(), TOKENS))
                            .tokenIds();
                    assertThat(ids).as(prompt.id()).hasSize(TOKENS);
                    return ids;
                })
                .toList();
    }

    @Test
    void shouldRefuseAnExistingFolderAndLeaveItAlone() throws IOException, InterruptedException {
        Path out = Files.createDirectory(folder.resolve("there"));
        Files.writeString(out.resolve("mine"), "x");

        Finished refused = quantize("qwen3", out, "--scheme", "w8a8-dynamic");

        assertThat(refused.status()).isEqualTo(1);
        assertThat(refused.text()).contains(out + " exists already; nothing was written");
        try (Stream<Path> files = Files.list(folder)) {
            assertThat(files).containsExactly(out);
        }
        assertThat(out.resolve("mine")).hasContent("x");
    }

    @Test
    void shouldRefuseToServeFloatWeightsAsQuantised() throws IOException, InterruptedException {
        Finished refused =
                tandem("serve", Golden.FIXTURES.resolve("qwen3").toString(), "--quantization", "ascend", "--port", "0");

        assertThat(refused.status()).isEqualTo(2);
        assertThat(refused.text()).contains("--quantization ascend", "has no quant_model_description.json");
    }

    @Test
    void shouldRefuseWrongArguments() throws IOException, InterruptedException {
        Path out = folder.resolve("out");
        assertThat(quantize("qwen3", out).text()).contains("--scheme is missing");
        assertThat(quantize("qwen3", out, "--scheme", "w8a8").text()).contains("need activations of sample prompts");
        assertThat(quantize("qwen3", out, "--shceme", "w8a8").text()).contains("the nearest is --scheme");
        Finished wrong = quantize("qwen3", out, "--scheme=w8a8-dynamic", "--scale-dtype=float16");
        assertThat(wrong.text()).contains("--scale-dtype must be one of float32, bfloat16, not float16");
        assertThat(wrong.status()).isEqualTo(2);
        assertThat(out).doesNotExist();
    }
}
