package dev.tandem.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.SelectedPositions;
import dev.tandem.kernel.selection.KernelSelection;
import dev.tandem.kv.KvPlane;
import dev.tandem.layer.ExpertChoice;
import dev.tandem.model.TestRank.Setup;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** All positions of prompt p4: the residual stream behind every layer, and what lies in the cache. */
class TraceTest {
    private static final float HIDDEN_TOLERANCE = 2e-4f;
    private static final float CACHE_TOLERANCE = 5e-5f;
    private static final float WEIGHT_TOLERANCE = 2e-5f;

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
    void shouldComputeGoldenTrace(String name) {
        Path folder = TestRank.GOLDEN.resolve(name);
        var trace = new GoldenTensors(folder.resolve("golden/trace.safetensors"));
        int[] prompt = promptOfTrace(folder);
        try (var rank = new TestRank(folder, Setup.plain(KernelSelection.best()))) {
            int[] blockIds = rank.takeBlocks(prompt.length);
            Map<String, float[]> hidden = run(rank, prompt, blockIds);
            for (int layer = 0; layer < rank.model.config().layers(); layer++) {
                comparePlanes(rank, trace, layer, prompt.length, blockIds);
                compare(hidden, trace, "hidden.layer." + layer);
            }
            compare(hidden, trace, "hidden.embed");
            compare(hidden, trace, "hidden.norm");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"deepseek-v3.2", "deepseek-v3.2-w8a8"})
    void shouldSelectGoldenPositions(String name) {
        Path folder = TestRank.GOLDEN.resolve(name);
        var trace = new GoldenTensors(folder.resolve("golden/trace.safetensors"));
        int[] prompt = promptOfTrace(folder);
        try (var rank = new TestRank(folder, Setup.plain(KernelSelection.best()))) {
            SelectedPositions selected = ((DeepSeekV32Graph) rank.decoder().graph()).selected();
            var chosen = new ArrayList<int[]>();
            var chunk = new TokenBatch.Chunk(prompt.length, 0, rank.takeBlocks(prompt.length), 0);
            rank.model.forward(
                    new TokenBatch(prompt, List.of(chunk)),
                    rank.pool,
                    layer -> {
                        if (layer > 0) {
                            chosen.add(positions(
                                    selected, prompt.length)); // of the layer before: this one has only stored
                        }
                    },
                    () -> {});
            chosen.add(positions(selected, prompt.length));
            for (int layer = 0; layer < chosen.size(); layer++) {
                assertThat(chosen.get(layer)).as("layer %d", layer).containsExactly(trace.ints("index.topk." + layer));
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"qwen3-moe", "qwen3-moe-w8a8", "deepseek-v3", "deepseek-v3.2", "deepseek-v3.2-w8a8"})
    void shouldChooseGoldenExpertsWithGoldenWeights(String name) {
        Path folder = TestRank.GOLDEN.resolve(name);
        var trace = new GoldenTensors(folder.resolve("golden/trace.safetensors"));
        int[] prompt = promptOfTrace(folder);
        try (var rank = new TestRank(folder, Setup.plain(KernelSelection.best()))) {
            ExpertChoice choice = choice(rank.decoder().graph());
            var byLayer = new ArrayList<List<Expert>>();
            var chunk = new TokenBatch.Chunk(prompt.length, 0, rank.takeBlocks(prompt.length), 0);
            rank.model.forward(
                    new TokenBatch(prompt, List.of(chunk)),
                    rank.pool,
                    layer -> {
                        if (layer > 0) {
                            byLayer.add(
                                    experts(choice, prompt.length)); // of the layer before: this one has only stored
                        }
                    },
                    () -> {});
            byLayer.add(experts(choice, prompt.length));
            List<Integer> layers = trace.namesBehind("router.ids.").stream()
                    .map(Integer::valueOf)
                    .toList();
            assertThat(layers).hasSizeGreaterThanOrEqualTo(2);
            for (int layer : layers) {
                List<Expert> chosen = byLayer.get(layer);
                assertThat(chosen.stream().mapToInt(Expert::id).toArray())
                        .as("layer %d", layer)
                        .containsExactly(trace.ints("router.ids." + layer));
                float[] weights = trace.floats("router.weights." + layer);
                for (int i = 0; i < weights.length; i++) {
                    assertThat(chosen.get(i).weight())
                            .as("layer %d choice %d", layer, i)
                            .isCloseTo(weights[i], within(WEIGHT_TOLERANCE));
                }
            }
        }
    }

    private static ExpertChoice choice(DecoderGraph graph) {
        return switch (graph) {
            case Qwen3MoeGraph moe -> moe.choice();
            case DeepSeekV3Graph v3 -> v3.choice();
            case DeepSeekV32Graph v32 -> v32.choice();
            case LlamaGraph llama -> throw new AssertionError("no experts in " + llama);
            case Qwen3Graph qwen3 -> throw new AssertionError("no experts in " + qwen3);
        };
    }

    private record Expert(int id, float weight) {}

    /** Of all rows one after the other, the weightiest of a row first. */
    private static List<Expert> experts(ExpertChoice choice, int rows) {
        var experts = new ArrayList<Expert>();
        for (int row = 0; row < rows; row++) {
            int[] ids = choice.chosenOf(row);
            float[] weights = choice.weightsOf(row);
            IntStream.range(0, ids.length)
                    .mapToObj(i -> new Expert(ids[i], weights[i]))
                    .sorted(Comparator.comparing(Expert::weight).reversed())
                    .forEach(experts::add);
        }
        return experts;
    }

    /** Ascending, padded with -1: [rows, most]. */
    private static int[] positions(SelectedPositions selected, int rows) {
        var positions = new int[rows * selected.most()];
        Arrays.fill(positions, -1);
        for (int row = 0; row < rows; row++) {
            for (int i = 0; i < selected.count(row); i++) {
                positions[row * selected.most() + i] = selected.position(row, i);
            }
        }
        return positions;
    }

    private static void comparePlanes(TestRank rank, GoldenTensors trace, int layer, int tokens, int[] blockIds) {
        for (int plane = 0; plane < rank.pool.layout().planes().size(); plane++) {
            KvPlane kind = rank.pool.layout().planes().get(plane);
            if (kind.layer() == layer) {
                assertThat(cached(rank, plane, tokens, blockIds))
                        .as(kind.name())
                        .containsExactly(trace.floats(kind.name()), within(CACHE_TOLERANCE));
            }
        }
    }

    private static void compare(Map<String, float[]> hidden, GoldenTensors trace, String name) {
        assertThat(hidden.get(name)).as(name).containsExactly(trace.floats(name), within(HIDDEN_TOLERANCE));
    }

    private static int[] promptOfTrace(Path folder) {
        return GoldenPrompt.read(folder.resolve("golden/golden.json")).stream()
                .filter(prompt -> prompt.id().equals("p4"))
                .findFirst()
                .orElseThrow()
                .tokenIds();
    }

    /** Runs the prompt in one chunk and asks for logits of all rows, so that all of them pass the final norm. */
    private static Map<String, float[]> run(TestRank rank, int[] prompt, int[] blockIds) {
        var hidden = new HashMap<String, float[]>();
        Decoder decoder = rank.decoder();
        var chunk = new TokenBatch.Chunk(prompt.length, 0, blockIds, prompt.length);
        rank.model.forward(
                new TokenBatch(prompt, List.of(chunk)),
                rank.pool,
                layer -> hidden.put(
                        layer == 0 ? "hidden.embed" : "hidden.layer." + (layer - 1),
                        rows(decoder.residual(), prompt.length)),
                () -> {});
        int layers = rank.model.config().layers();
        hidden.put("hidden.layer." + (layers - 1), rows(decoder.residual(), prompt.length));
        hidden.put("hidden.norm", rows(decoder.finalNormed(), prompt.length));
        return hidden;
    }

    private static float[] rows(Matrix matrix, int rows) {
        return Arrays.copyOf(matrix.values(), matrix.offset(rows));
    }

    /** A plane's values of one sequence as [tokens, heads, headDim], read from blocks laid out as [heads, blockSize, headDim]. */
    private static float[] cached(TestRank rank, int plane, int tokens, int[] blockIds) {
        KvPlane kind = rank.pool.layout().planes().get(plane);
        MemorySegment data = rank.pool.plane(plane).data();
        int blockSize = rank.pool.layout().blockSize();
        var values = new float[tokens * kind.heads() * kind.headDim()];
        int at = 0;
        for (int token = 0; token < tokens; token++) {
            for (int head = 0; head < kind.heads(); head++) {
                long row = ((long) blockIds[token / blockSize] * kind.heads() + head) * blockSize + token % blockSize;
                for (int i = 0; i < kind.headDim(); i++) {
                    values[at++] = data.getAtIndex(ValueLayout.JAVA_FLOAT_UNALIGNED, row * kind.headDim() + i);
                }
            }
        }
        return values;
    }
}
