package dev.tandem.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.checkpoint.Checkpoint;
import dev.tandem.kernel.DType;
import dev.tandem.kernel.KernelSelection;
import dev.tandem.kernel.KernelThreads;
import dev.tandem.kernel.Matrix;
import dev.tandem.kv.KvPool;
import dev.tandem.layer.ExpertBank;
import dev.tandem.layer.RankContext;
import dev.tandem.model.TokenBatch.Chunk;
import dev.tandem.parallel.ExpertExchange;
import dev.tandem.parallel.Rank;
import dev.tandem.parallel.TensorGroup;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TensorParallelTest {
    private static final int MAX_ROWS = 16;
    private static final int BLOCK_SIZE = 16;
    private static final int BLOCKS = 8;
    private static final int[] PROMPT =
            IntStream.range(0, 37).map(i -> (i * 131 + 7) % 250).toArray();

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
        "qwen3-moe-w8a8, 16, true",
        "deepseek-v3, 2, false",
        "deepseek-v3, 8, false",
        "deepseek-v3, 16, false",
        "deepseek-v3, 1, true",
        "deepseek-v3, 4, true",
        "deepseek-v3, 16, true",
        "deepseek-v3.2, 2, false",
        "deepseek-v3.2, 16, false",
        "deepseek-v3.2, 1, true",
        "deepseek-v3.2, 4, true",
        "deepseek-v3.2, 16, true",
        "deepseek-v3.2-w8a8, 4, false",
        "deepseek-v3.2-w8a8, 16, true"
    })
    void shouldGiveTheSameBitsAtAnyGroupSize(String golden, int tpSize, boolean hasExpertParallel) throws Exception {
        try (var checkpoint = Checkpoint.open(TestRank.GOLDEN.resolve(golden))) {
            List<float[]> alone = run(checkpoint, 1, false).getFirst();
            List<List<float[]>> group = run(checkpoint, tpSize, hasExpertParallel);
            assertThat(group).hasSize(tpSize);
            for (List<float[]> ofRank : group) {
                assertThat(ofRank).hasSameSizeAs(alone);
                for (int step = 0; step < alone.size(); step++) {
                    assertThat(ofRank.get(step)).as("step %d", step).containsExactly(alone.get(step));
                }
            }
        }
    }

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

    /** Logits of a chunked prompt and three decode steps, on every rank. */
    private static List<List<float[]>> run(Checkpoint checkpoint, int tpSize, boolean hasExpertParallel)
            throws Exception {
        var group = new TensorGroup(tpSize, false);
        var results = new ArrayList<CompletableFuture<List<float[]>>>();
        for (int tp = 0; tp < tpSize; tp++) {
            Rank rank = new Rank(tp, tpSize, 0, 1);
            results.add(new CompletableFuture<>());
            CompletableFuture<List<float[]>> result = results.getLast();
            Thread.ofPlatform().start(() -> {
                try {
                    result.complete(steps(checkpoint, rank, group, hasExpertParallel));
                } catch (Throwable failure) {
                    group.fail(failure);
                    result.completeExceptionally(failure);
                }
            });
        }
        var all = new ArrayList<List<float[]>>();
        for (CompletableFuture<List<float[]>> result : results) {
            all.add(result.get());
        }
        return all;
    }

    private static List<float[]> steps(Checkpoint checkpoint, Rank rank, TensorGroup group, boolean hasExpertParallel) {
        var kernels = KernelSelection.best().kernels();
        var limits = new StepLimits(MAX_ROWS, 4, 512);
        try (var threads = new KernelThreads(1)) {
            Optional<ExpertExchange> exchange = Optional.empty();
            if (hasExpertParallel) {
                ExpertBank bank =
                        ModelLoader.experts(checkpoint, RankContext.single(kernels, threads), new StepLimits(3, 1, 1));
                exchange = Optional.of(rows -> {
                    for (int expert = 0; expert < rows.experts(); expert++) {
                        int first = rows.firstRow(expert);
                        bank.compute(
                                rows.layer(),
                                expert,
                                rows.x(),
                                first,
                                rows.firstRow(expert + 1) - first,
                                rows.results());
                    }
                });
            }
            var context = new RankContext(rank, group.member(rank.tp()), kernels, threads, exchange);
            Model model = ModelLoader.load(checkpoint, context, limits);
            try (var pool = new KvPool(model.kvLayout(BLOCK_SIZE, DType.BF16), BLOCKS)) {
                return steps(model, pool);
            }
        }
    }

    private static List<float[]> steps(Model model, KvPool pool) {
        int[] blockIds = {5, 2, 7, 0};
        var logits = new ArrayList<float[]>();
        for (int done = 0; done < PROMPT.length; done += 20) { // more rows than one pass holds
            int rows = Math.min(20, PROMPT.length - done);
            int[] ids = Arrays.copyOfRange(PROMPT, done, done + rows);
            var batch = new TokenBatch(ids, List.of(new Chunk(rows, done, blockIds, 1)));
            logits.add(TestRank.row(model.forward(batch, pool, layer -> {}), 0));
        }
        for (int step = 0; step < 3; step++) {
            int[] next = {TestRank.best(logits.getLast())};
            var batch = new TokenBatch(next, List.of(new Chunk(1, PROMPT.length + step, blockIds, 1)));
            logits.add(TestRank.row(model.forward(batch, pool, layer -> {}), 0));
        }
        return logits;
    }
}
