package dev.tandem.systemtest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.systemtest.process.Client;
import dev.tandem.systemtest.process.Client.Reply;
import dev.tandem.systemtest.process.Deployment;
import dev.tandem.systemtest.process.Golden;
import dev.tandem.systemtest.process.Golden.Prompt;
import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every golden prompt, in float32: one aggregated node, and gateway, prefill node and decode node as real processes, give the tokens of
 * transformers; alone, eight at a time, in small chunks, and again from warm prefix caches.
 */
class TokenEqualityTest {
    private static final int INTERLEAVED = 8;

    static Stream<Golden> checkpoints() {
        return Stream.of(
                Golden.folder("llama"),
                Golden.folder("qwen3"),
                Golden.folder("qwen3-moe"),
                Golden.folder("qwen3-moe-w8a8"),
                Golden.folder("deepseek-v3"),
                Golden.folder("deepseek-v3.2"),
                Golden.folder("deepseek-v3.2-w8a8"),
                Golden.gguf("qwen3-bf16"),
                Golden.gguf("qwen3-q8_0"),
                Golden.gguf("qwen3-q4_0"),
                Golden.gguf("llama-q8_0"),
                Golden.gguf("llama-q4_0"),
                Golden.gguf("qwen3-moe-q4_0"),
                Golden.fable());
    }

    static Stream<Golden> families() {
        return Stream.of(
                Golden.folder("llama"),
                Golden.folder("qwen3"),
                Golden.folder("qwen3-moe"),
                Golden.folder("qwen3-moe-w8a8"),
                Golden.folder("deepseek-v3.2"));
    }

    private static String[] flags(String... further) {
        var flags = new ArrayList<>(List.of("--dtype", "float32", "--max-model-len", "480", "--max-num-seqs", "16"));
        flags.addAll(List.of(further));
        return flags.toArray(String[]::new);
    }

    @ParameterizedTest
    @MethodSource("checkpoints")
    void shouldGiveTheGoldenTokensAggregated(Golden golden) {
        try (var node = Deployment.aggregated(golden.checkpoint(), flags())) {
            assertGolden(node.uri("/v1/completions"), golden, false);
            assertGoldenInterleaved(node.uri("/v1/completions"), golden);
        }
    }

    @ParameterizedTest
    @MethodSource("checkpoints")
    void shouldGiveTheGoldenTokensOverPrefillAndDecodeNodeInChunksOfSixtyFour(Golden golden) {
        try (var deployment = Deployment.start(golden.checkpoint(), flags("--max-num-batched-tokens", "64"))) {
            URI uri = deployment.gateway().uri("/v1/completions");
            assertGolden(uri, golden, true);
            assertGoldenInterleaved(uri, golden);
            assertGolden(uri, golden, false);
        }
    }

    @ParameterizedTest
    @MethodSource("families")
    void shouldGiveTheGoldenTokensInChunksOfSeven(Golden golden) {
        String[] flags = flags("--max-num-batched-tokens", "7", "--max-num-seqs", "4", "--no-enable-prefix-caching");
        try (var deployment = Deployment.start(golden.checkpoint(), flags)) {
            assertGolden(deployment.gateway().uri("/v1/completions"), golden, true);
        }
    }

    private static void assertGolden(URI uri, Golden golden, boolean mustBeRemote) {
        for (Prompt prompt : golden.prompts()) {
            Reply reply = Client.post(
                    uri, Client.greedy(prompt.ids(), prompt.generated().size()));
            assertThat(reply.status())
                    .as("%s %s: %s", golden, prompt.id(), reply.body())
                    .isEqualTo(200);
            assertThat(reply.tokenIds()).as("%s %s", golden, prompt.id()).isEqualTo(prompt.generated());
            if (mustBeRemote) {
                assertThat(reply.header("x-tandem-disaggregated")).startsWith("true");
            }
        }
    }

    private static void assertGoldenInterleaved(URI uri, Golden golden) {
        var replies = new ArrayList<CompletableFuture<Reply>>();
        for (int i = 0; i < INTERLEAVED; i++) {
            Prompt prompt = golden.prompts().get(i % golden.prompts().size());
            replies.add(Client.postAsync(
                    uri, Client.greedy(prompt.ids(), prompt.generated().size()).toString()));
        }
        for (int i = 0; i < INTERLEAVED; i++) {
            Prompt prompt = golden.prompts().get(i % golden.prompts().size());
            assertThat(replies.get(i).join().tokenIds())
                    .as("%s %s beside others", golden, prompt.id())
                    .isEqualTo(prompt.generated());
        }
    }
}
