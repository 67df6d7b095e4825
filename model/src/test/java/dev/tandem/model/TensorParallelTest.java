package dev.tandem.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.checkpoint.Checkpoint;
import dev.tandem.kernel.DType;
import dev.tandem.kernel.KernelThreads;
import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.selection.KernelSelection;
import dev.tandem.kv.KvPool;
import dev.tandem.layer.ExpertBank;
import dev.tandem.layer.RankContext;
import dev.tandem.model.TokenBatch.Chunk;
import dev.tandem.parallel.ExpertExchange;
import dev.tandem.parallel.Rank;
import dev.tandem.parallel.TensorGroup;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

@Tag("long")
class TensorParallelTest {
    private static final int MAX_ROWS = 16;
    private static final int BLOCK_SIZE = 16;
    private static final int BLOCKS = 12;
    private static final int TOKENS = 4;
    private static final List<int[]> PROMPTS = List.of(prompt(37, 7), prompt(21, 90), prompt(5, 33));
    private static final int[][] BLOCK_TABLES = {{5, 2, 7, 0}, {11, 4, 9}, {8}};

    /** Each prompt on its own, in chunks of more rows than one pass holds. */
    private static final Cut ALONE = new Cut(20, false);

    /**
     * How prompts become batches.
     *
     * @param chunkRows most rows of a sequence in one batch
     * @param isTogether all sequences go on in every batch; the second begins one batch after the first, and so on
     */
    private record Cut(int chunkRows, boolean isTogether) {}

    private static int[] prompt(int length, int seed) {
        return IntStream.range(0, length).map(i -> (i * 131 + seed) % 250).toArray();
    }

    @ParameterizedTest(name = "{0} tp={1} ep={2}")
    @CsvSource({
        "llama, 2, false",
        "llama, 4, false",
        "llama, 8, false",
        "qwen3, 2, false",
        "qwen3-moe, 2, false",
        "qwen3-moe, 4, false",
        "qwen3-moe, 1, true",
        "qwen3-moe, 2, true",
        "qwen3-moe, 4, true",
        "qwen3-moe, 8, true",
        "qwen3-moe-w8a8, 4, false",
        "qwen3-moe-w8a8, 8, true",
        "qwen3-moe-w8a8, 16, true"
    })
    void shouldGiveTheSameBitsAtAnyGroupSize(String golden, int tpSize, boolean hasExpertParallel) throws Exception {
        assertSameBits(golden, new Group(tpSize, hasExpertParallel), ALONE);
    }

    static Stream<Arguments> deepSeek() {
        return Stream.of("deepseek-v3", "deepseek-v3.2", "deepseek-v3.2-w8a8")
                .flatMap(golden -> IntStream.of(1, 2, 4, 8, 16)
                        .boxed()
                        .flatMap(tpSize ->
                                Stream.of(Arguments.of(golden, tpSize, false), Arguments.of(golden, tpSize, true))));
    }

    /** One rank computes the prompts one by one; the group computes them in common batches, in small chunks. */
    @ParameterizedTest(name = "{0} tp={1} ep={2}")
    @MethodSource("deepSeek")
    void shouldGiveTheSameBitsAtAnyGroupSizeWhateverTheBatches(String golden, int tpSize, boolean hasExpertParallel)
            throws Exception {
        assertSameBits(golden, new Group(tpSize, hasExpertParallel), new Cut(7, true));
    }

    private static void assertSameBits(String golden, Group group, Cut cut) throws Exception {
        try (var checkpoint = Checkpoint.open(TestRank.GOLDEN.resolve(golden))) {
            List<List<float[]>> expected =
                    run(checkpoint, new Group(1, false), ALONE).getFirst();
            List<List<List<float[]>>> found = run(checkpoint, group, cut);
            assertThat(found).hasSize(group.tpSize());
            for (List<List<float[]>> ofRank : found) {
                for (int i = 0; i < PROMPTS.size(); i++) {
                    assertThat(ofRank.get(i)).hasSize(TOKENS);
                    for (int step = 0; step < TOKENS; step++) {
                        assertThat(ofRank.get(i).get(step))
                                .as("prompt %d step %d", i, step)
                                .isEqualTo(expected.get(i).get(step));
                    }
                }
            }
        }
    }

    /** Ranks of one group, with experts cut like everything else or whole behind an exchange. */
    private record Group(int tpSize, boolean hasExpertParallel) {}

    @Test
    void shouldLetAllRanksGoWhenOneFails() throws Exception {
        var group = new TensorGroup(2, false);
        var waiting = CompletableFuture.supplyAsync(() -> {
            group.member(0).allGather(Matrix.of(1, 1), 1, 1, Matrix.of(1, 2));
            return true;
        });
        group.member(1).fail(new ArithmeticException("no numbers"));
        assertThatThrownBy(waiting::join).hasRootCauseMessage("no numbers");
    }

    @Test
    void shouldRefuseTheSameMatrixTwice() {
        var member = new TensorGroup(1, false).member(0);
        Matrix part = Matrix.of(1, 1);
        member.allGather(part, 1, 1, Matrix.of(1, 1));
        assertThatThrownBy(() -> member.allGather(part, 1, 1, Matrix.of(1, 1)))
                .isInstanceOf(IllegalStateException.class);
    }

    /** Logits of every prompt's end and of the steps behind it, on every rank: [ranks][prompts][steps]. */
    private static List<List<List<float[]>>> run(Checkpoint checkpoint, Group size, Cut cut) throws Exception {
        var group = new TensorGroup(size.tpSize(), false);
        var results = new ArrayList<CompletableFuture<List<List<float[]>>>>();
        for (int tp = 0; tp < size.tpSize(); tp++) {
            Rank rank = new Rank(tp, size.tpSize(), 0, 1);
            var result = new CompletableFuture<List<List<float[]>>>();
            results.add(result);
            Thread.ofPlatform().start(() -> {
                try {
                    result.complete(steps(checkpoint, rank, group, size.hasExpertParallel(), cut));
                } catch (Throwable failure) {
                    group.fail(failure);
                    result.completeExceptionally(failure);
                }
            });
        }
        var all = new ArrayList<List<List<float[]>>>();
        for (CompletableFuture<List<List<float[]>>> result : results) {
            all.add(result.get());
        }
        return all;
    }

    private static List<List<float[]>> steps(
            Checkpoint checkpoint, Rank rank, TensorGroup group, boolean hasExpertParallel, Cut cut) {
        try (var threads = new KernelThreads(1)) {
            var kernels = KernelSelection.best().kernels(threads);
            Optional<ExpertExchange> exchange = hasExpertParallel
                    ? Optional.of(wholeExperts(checkpoint, RankContext.single(kernels)))
                    : Optional.empty();
            var context = new RankContext(rank, group.member(rank.tp()), kernels, exchange);
            Model model = ModelLoader.load(checkpoint, context, new StepLimits(MAX_ROWS, 4, 512));
            try (var pool = new KvPool(model.kvLayout(BLOCK_SIZE, DType.BF16), BLOCKS)) {
                return cut.isTogether() ? together(model, pool, cut) : oneByOne(model, pool, cut);
            }
        }
    }

    /** An owner of all experts that computes them whole. */
    private static ExpertExchange wholeExperts(Checkpoint checkpoint, RankContext context) {
        ExpertBank bank = ModelLoader.experts(checkpoint, context, new StepLimits(3, 1, 1));
        return rows -> {
            for (int expert = 0; expert < rows.experts(); expert++) {
                int first = rows.firstRow(expert);
                bank.compute(rows.layer(), expert, rows.x(), first, rows.firstRow(expert + 1) - first, rows.results());
            }
        };
    }

    private static List<List<float[]>> oneByOne(Model model, KvPool pool, Cut cut) {
        var all = new ArrayList<List<float[]>>();
        for (int i = 0; i < PROMPTS.size(); i++) {
            var sequence = new Running(PROMPTS.get(i), BLOCK_TABLES[i]);
            while (sequence.isUnfinished()) {
                step(model, pool, List.of(sequence), cut);
            }
            all.add(sequence.logits);
        }
        return all;
    }

    private static List<List<float[]>> together(Model model, KvPool pool, Cut cut) {
        var sequences = new ArrayList<Running>();
        for (int i = 0; i < PROMPTS.size() || sequences.stream().anyMatch(Running::isUnfinished); i++) {
            if (i < PROMPTS.size()) {
                sequences.add(new Running(PROMPTS.get(i), BLOCK_TABLES[i]));
            }
            step(model, pool, sequences.stream().filter(Running::isUnfinished).toList(), cut);
        }
        return sequences.stream().map(sequence -> sequence.logits).toList();
    }

    /** One batch with the next rows of some sequences; logits are asked for where a prompt ends and behind it. */
    private static void step(Model model, KvPool pool, List<Running> sequences, Cut cut) {
        var ids = IntStream.builder();
        var chunks = new ArrayList<Chunk>();
        var asking = new ArrayList<Running>();
        for (Running sequence : sequences) {
            Chunk chunk = sequence.next(cut.chunkRows(), ids);
            chunks.add(chunk);
            if (chunk.logitRows() == 1) {
                asking.add(sequence);
            }
        }
        Matrix logits = model.forward(new TokenBatch(ids.build().toArray(), chunks), pool, layer -> {}, () -> {});
        for (int i = 0; i < asking.size(); i++) {
            asking.get(i).logits.add(TestRank.row(logits, i));
        }
    }

    /** A sequence that is under way. */
    private static final class Running {
        private final int[] prompt;
        private final int[] blockIds;
        private final List<float[]> logits = new ArrayList<>();
        private int done;

        Running(int[] prompt, int[] blockIds) {
            this.prompt = prompt;
            this.blockIds = blockIds;
        }

        boolean isUnfinished() {
            return logits.size() < TOKENS;
        }

        Chunk next(int mostRows, IntStream.Builder ids) {
            int first = done;
            int rows = Math.clamp(prompt.length - done, 1, mostRows);
            for (; done < first + rows; done++) {
                ids.add(done < prompt.length ? prompt[done] : TestRank.best(logits.getLast()));
            }
            return new Chunk(rows, first, blockIds, done >= prompt.length ? 1 : 0);
        }
    }
}
