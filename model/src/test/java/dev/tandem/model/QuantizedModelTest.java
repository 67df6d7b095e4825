package dev.tandem.model;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.kernel.DType;
import dev.tandem.kernel.KernelThreads;
import dev.tandem.kernel.selection.KernelSelection;
import dev.tandem.model.TestRank.Setup;
import dev.tandem.quantize.Int8Quantizer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What {@code tandem quantize} makes runs as any other checkpoint does, and stays near the one that it was made of. */
@Tag("long")
class QuantizedModelTest {
    private static final int STEPS = 8;

    @TempDir
    Path folder;

    private final KernelSelection kernels = KernelSelection.best();

    @ParameterizedTest
    @ValueSource(strings = {"llama", "qwen3", "qwen3-moe"})
    void shouldGiveTheSameTokensHoweverItIsRun(String name) throws IOException {
        Path in = TestRank.GOLDEN.resolve(name);
        Path out = folder.resolve("out");
        new Int8Quantizer(
                        new Int8Quantizer.Options(in, out, DType.F32, 1 << 20),
                        kernels.kernels(new KernelThreads(1)),
                        layer -> {})
                .run();
        int[] prompt =
                GoldenPrompt.read(in.resolve("golden/golden.json")).get(3).tokenIds();
        List<float[]> whole;
        try (var rank = new TestRank(out, Setup.plain(kernels))) {
            whole = rank.greedy(prompt, STEPS, Integer.MAX_VALUE);
            assertSameBits(rank.greedy(prompt, STEPS, 7), whole);
        }
        try (var rank = new TestRank(out, Setup.plain(kernels).withThreads(2))) {
            assertSameBits(rank.greedy(prompt, STEPS, Integer.MAX_VALUE), whole);
        }
        try (var rank = new TestRank(in, Setup.plain(kernels))) {
            float[] before = rank.greedy(prompt, 1, Integer.MAX_VALUE).getFirst();
            assertThat(cosine(before, whole.getFirst())).isGreaterThan(0.95);
        }
    }

    private static double cosine(float[] a, float[] b) {
        double product = 0;
        double squaresA = 0;
        double squaresB = 0;
        for (int i = 0; i < a.length; i++) {
            product += (double) a[i] * b[i];
            squaresA += (double) a[i] * a[i];
            squaresB += (double) b[i] * b[i];
        }
        return product / Math.sqrt(squaresA * squaresB);
    }

    private static void assertSameBits(List<float[]> actual, List<float[]> expected) {
        assertThat(actual).hasSameSizeAs(expected);
        for (int i = 0; i < expected.size(); i++) {
            assertThat(actual.get(i)).isEqualTo(expected.get(i));
        }
    }
}
