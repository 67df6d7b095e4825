package dev.tandem.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.tandem.kernel.selection.KernelSelection;
import dev.tandem.model.TestRank.Setup;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Models against what transformers computes in float32; tolerances are those of fixtures/golden/README.md. */
@Tag("long")
class GoldenTest {
    private static final int STEPS = 32;

    private final KernelSelection fast = KernelSelection.best();

    @ParameterizedTest
    @ValueSource(
            strings = {
                "llama",
                "qwen3",
                "qwen3-moe",
                "qwen3-moe-w8a8",
                "deepseek-v3",
                "deepseek-v3.2",
                "deepseek-v3.2-w8a8"
            })
    void shouldGenerateGoldenTokensFromFolder(String name) {
        Path folder = TestRank.GOLDEN.resolve(name);
        compareWithGolden(folder, folder.resolve("golden"), fast);
    }

    @ParameterizedTest
    @ValueSource(strings = {"llama-q4_0", "llama-q8_0", "qwen3-bf16", "qwen3-q8_0", "qwen3-q4_0", "qwen3-moe-q4_0"})
    void shouldGenerateGoldenTokensFromGguf(String name) {
        Path folder = TestRank.GOLDEN.resolve("gguf");
        compareWithGolden(folder.resolve(name + ".gguf"), folder.resolve(name), fast);
    }

    @ParameterizedTest
    @ValueSource(strings = {"qwen3", "qwen3-moe-w8a8"})
    void shouldGenerateGoldenTokensWithScalarKernels(String name) {
        Path folder = TestRank.GOLDEN.resolve(name);
        compareWithGolden(folder, folder.resolve("golden"), KernelSelection.named("scalar"));
    }

    @Test
    void shouldTellGoldenFables() {
        List<GoldenPrompt> prompts = GoldenPrompt.readFable(TestRank.GOLDEN.resolve("tandem-fable/golden.json"));
        assertThat(prompts).hasSize(15);
        try (var rank = new TestRank(TestRank.ROOT.resolve("models/tandem-fable"), Setup.plain(fast))) {
            for (GoldenPrompt prompt : prompts) {
                compareSteps(rank, prompt);
            }
        }
    }

    private static void compareWithGolden(Path checkpoint, Path golden, KernelSelection kernels) {
        List<GoldenPrompt> prompts = GoldenPrompt.read(golden.resolve("golden.json"));
        assertThat(prompts).hasSizeGreaterThanOrEqualTo(4);
        var tensors = new GoldenTensors(golden.resolve("logits.safetensors"));
        try (var rank = new TestRank(checkpoint, Setup.plain(kernels))) {
            for (GoldenPrompt prompt : prompts) {
                compareHidden(rank, prompt, tensors.floats(prompt.id() + ".hidden"));
                List<float[]> logits = compareSteps(rank, prompt);
                assertThat(prompt.generated()).hasSize(STEPS);
                assertThat(logits.getFirst())
                        .as("logits after %s", prompt)
                        .containsExactly(tensors.floats(prompt.id() + ".logits"), within(prompt.tolerance()));
            }
        }
    }

    private static List<float[]> compareSteps(TestRank rank, GoldenPrompt prompt) {
        List<float[]> logits = rank.greedy(prompt.tokenIds(), prompt.generated().length, Integer.MAX_VALUE);
        assertThat(TestRank.bestOfEach(logits)).as("tokens after %s", prompt).containsExactly(prompt.generated());
        for (int step = 0; step < logits.size(); step++) {
            int[] ids = prompt.top().ids()[step];
            for (int i = 0; i < ids.length; i++) {
                assertThat(logits.get(step)[ids[i]])
                        .as("%s step %d id %d", prompt, step, ids[i])
                        .isCloseTo(prompt.top().logits()[step][i], within(prompt.tolerance()));
            }
        }
        return logits;
    }

    /** Row 0 is the embedding, row 1 + i what leaves layer i, the last row is after the final norm; rows are compared in this order. */
    private static void compareHidden(TestRank rank, GoldenPrompt prompt, float[] golden) {
        int last = prompt.tokenIds().length - 1;
        var rows = new ArrayList<float[]>();
        var chunk = new TokenBatch.Chunk(last + 1, 0, rank.takeBlocks(last + 1), 1);
        Decoder decoder = rank.decoder();
        rank.model.forward(
                new TokenBatch(prompt.tokenIds(), List.of(chunk)),
                rank.pool,
                layer -> rows.add(TestRank.row(decoder.residual(), last)),
                () -> {});
        rows.add(TestRank.row(decoder.residual(), last));
        rows.add(TestRank.row(decoder.finalNormed(), 0));
        int hidden = rows.getFirst().length;
        assertThat(golden).hasSize(rows.size() * hidden);
        for (int i = 0; i < rows.size(); i++) {
            var expected = new float[hidden];
            System.arraycopy(golden, i * hidden, expected, 0, hidden);
            assertThat(rows.get(i))
                    .as("%s hidden row %d of %d", prompt, i, rows.size())
                    .containsExactly(expected, within(prompt.tolerance()));
        }
    }
}
