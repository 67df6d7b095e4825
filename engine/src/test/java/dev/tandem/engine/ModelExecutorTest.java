package dev.tandem.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.engine.execute.LayerListener;
import dev.tandem.engine.execute.ModelExecutor;
import dev.tandem.engine.execute.RankWorker;
import dev.tandem.engine.execute.StepAbandonedException;
import dev.tandem.kv.KvPool;
import dev.tandem.model.TokenBatch;
import dev.tandem.model.TokenBatch.Chunk;
import dev.tandem.parallel.TensorGroup;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** A step of a group of ranks that nobody waits for any more. */
class ModelExecutorTest {
    private static final int RANKS = 3;

    private final List<FakeModel> models = new ArrayList<>();
    private final ModelExecutor executor = group();
    private final TokenBatch batch = new TokenBatch(new int[] {7, 8, 9}, List.of(new Chunk(3, 0, new int[] {0}, 1)));

    private ModelExecutor group() {
        var group = new TensorGroup(RANKS, false);
        var workers = new ArrayList<RankWorker>();
        for (int rank = 0; rank < RANKS; rank++) {
            var model = new FakeModel();
            models.add(model);
            workers.add(new RankWorker("test-" + rank, model, new KvPool(FakeModel.layout(4), 1), group.member(rank)));
        }
        return new ModelExecutor(workers);
    }

    @AfterEach
    void close() {
        executor.close();
    }

    @Test
    void shouldGiveUpOnAllRanksAtTheSameLayer() throws Exception {
        var asked = new AtomicInteger();
        var stored = new ConcurrentLinkedQueue<String>();

        assertThatThrownBy(() -> executor.execute(
                        batch,
                        () -> asked.incrementAndGet() == 2,
                        (tpRank, layer) -> stored.add("rank " + tpRank + " layer " + layer)))
                .isInstanceOf(StepAbandonedException.class);

        assertThat(asked).hasValue(2);
        assertThat(stored).containsExactlyInAnyOrder("rank 0 layer 0", "rank 1 layer 0", "rank 2 layer 0");
        assertThat(executor.execute(batch, () -> false, LayerListener.NONE).rows())
                .isPositive();
    }

    @Test
    void shouldNotReturnFromAStepThatIsGivenUpWhileARankStillComputes() throws Exception {
        var slowest = models.getLast().hold();
        var returned = new CountDownLatch(1);

        Thread loop = Thread.ofVirtual().start(() -> {
            assertThatThrownBy(() -> executor.execute(batch, () -> true, LayerListener.NONE))
                    .isInstanceOf(StepAbandonedException.class);
            returned.countDown();
        });
        models.getLast().awaitHeld();

        assertThat(returned.getCount()).as("its blocks are still written to").isOne();
        slowest.countDown();
        returned.await();
        loop.join();
    }
}
