package dev.tandem.engine.cluster.expert;

import dev.tandem.engine.cluster.ClusterCounter;
import dev.tandem.engine.cluster.expert.ExpertMap.Segment;
import dev.tandem.layer.ExpertBank;
import dev.tandem.parallel.ExpertExchange;
import dev.tandem.parallel.ExpertRows;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * One rank's way to all experts of the deployment. Rows for another process go there in one message, the others are computed here, by
 * the rank's own thread and by expert workers that a core is free for; then the rank waits. What does not come back in time, or has
 * nobody to go to, is computed here too, with the same bits, from the same checkpoint. Owned by the rank's worker thread.
 */
public final class ExpertRouter implements ExpertExchange {
    private static final int MAX_BUFFERS = 64;
    private static final Duration WORKER_LIMIT = Duration.ofMinutes(10);

    private final ExpertRuntime runtime;
    private final ExpertBank bank;
    private final Arrivals arrivals = new Arrivals();
    private final List<Sent> sent = new ArrayList<>(); // calls of the running exchange
    private final List<RowRange> here = new ArrayList<>(); // what is to be computed in this process
    private final ArrayDeque<byte[]> buffers = new ArrayDeque<>(); // of earlier calls

    /** A call, and whom it went to. */
    private record Sent(ExpertPeer peer, ExpertCall call) {}

    ExpertRouter(ExpertRuntime runtime, ExpertBank bank) {
        this.runtime = runtime;
        this.bank = bank;
    }

    @Override
    public void exchange(ExpertRows rows) {
        if (rows.experts() != runtime.shape().experts()
                || rows.x().columns() != runtime.shape().hiddenSize()) {
            throw new IllegalStateException("rows of " + rows.x().columns() + " values for " + rows.experts()
                    + " experts; the model has " + runtime.shape().hiddenSize() + " and "
                    + runtime.shape().experts());
        }
        try {
            sendAway(rows);
            computeHere(rows);
            awaitAnswers();
            takeBack();
            computeHere(rows);
            awaitWorkers();
        } catch (InterruptedException e) {
            sent.forEach(it -> it.call().giveUp());
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while waiting for experts", e);
        } finally {
            sent.clear();
            here.clear();
        }
    }

    /** Decides for each process's experts where their rows go. */
    private void sendAway(ExpertRows rows) {
        for (Segment segment : runtime.map().segments()) {
            RowRange range = RowRange.of(rows, segment.fromExpert(), segment.toExpert());
            if (range.rows() == 0) {
                continue;
            }
            if (segment.peer().isPresent() && segment.peer().get().downReason().isEmpty()) {
                send(rows, range, segment.peer().get());
            } else {
                here.add(range);
                count(
                        segment.isOwn() ? ClusterCounter.EXPERT_ROWS_LOCAL : ClusterCounter.EXPERT_ROWS_RECOMPUTED,
                        range);
            }
        }
    }

    /** One message, or a few when the rows are more than a frame may hold. */
    private void send(ExpertRows rows, RowRange range, ExpertPeer peer) {
        int experts = range.toExpert() - range.fromExpert();
        int hidden = rows.x().columns();
        int most = Math.max(1, ExpertFrames.maxRows(runtime.setup().limits().maxFrameBytes(), experts, hidden));
        for (int from = range.fromRow(); from < range.toRow(); from += most) {
            int to = Math.min(from + most, range.toRow());
            var part = new RowRange(range.fromExpert(), range.toExpert(), from, to);
            var call = new ExpertCall(rows, part, arrivals, buffer(ExpertFrames.callBytes(part, hidden)));
            if (peer.call(call)) {
                runtime.counters().increment(ClusterCounter.EXPERT_CALLS);
                count(ClusterCounter.EXPERT_ROWS_SENT, part);
            }
            sent.add(new Sent(peer, call));
        }
    }

    /** Computes all ranges of {@link #here}: a share for each worker to spare, the rest on this thread, which then takes what none began. */
    private void computeHere(ExpertRows rows) throws InterruptedException {
        if (here.isEmpty()) {
            return;
        }
        runtime.atWork().incrementAndGet();
        try {
            var tasks = new ArrayList<ExpertTask>();
            int parts = 1 + runtime.spareWorkers();
            for (RowRange range : here) {
                tasks.addAll(ExpertRuntime.split(rows, range, parts, arrivals));
            }
            tasks.forEach(task -> arrivals.expect());
            int shared = tasks.size() * (parts - 1) / parts;
            for (ExpertTask task : tasks.subList(0, shared)) {
                runtime.post(task); // if no worker has room, this thread runs it
            }
            for (ExpertTask task : tasks.reversed()) {
                task.run(bank);
            }
        } finally {
            runtime.atWork().decrementAndGet();
            here.clear();
        }
    }

    /** Waits for workers and for other processes; what is not here when time runs out is given up. */
    private void awaitAnswers() throws InterruptedException {
        Duration limit = runtime.setup().patience().answer();
        if (!arrivals.awaitAll(limit.toNanos())) {
            for (Sent it : sent) {
                if (it.call().giveUp()) {
                    it.peer().setAside(limit);
                }
            }
        }
        awaitWorkers();
    }

    /** Waits for what is certain to come: workers compute, results are being unpacked. */
    private void awaitWorkers() throws InterruptedException {
        if (!arrivals.awaitAll(WORKER_LIMIT.toNanos())) {
            throw new IllegalStateException("an expert worker took longer than " + WORKER_LIMIT.toMinutes() + " min");
        }
        Optional<Throwable> failure = arrivals.takeFailure();
        if (failure.isPresent()) {
            throw new IllegalStateException("experts could not be computed", failure.get());
        }
    }

    /** After the last answer: what was not answered is to be computed here. */
    private void takeBack() {
        for (Sent it : sent) {
            if (it.call().isSent() && buffers.size() < MAX_BUFFERS) {
                buffers.push(it.call().buffer());
            }
            if (!it.call().isAnswered()) {
                here.add(it.call().range());
                runtime.counters().increment(ClusterCounter.EXPERT_CALLS_FAILED);
                count(ClusterCounter.EXPERT_ROWS_RECOMPUTED, it.call().range());
            }
        }
    }

    private byte[] buffer(int bytes) {
        byte[] used = buffers.poll();
        // a new one has room to spare: the next layer's call may be a little longer
        return used != null && used.length >= bytes ? used : new byte[Math.addExact(bytes, bytes / 2)];
    }

    private void count(ClusterCounter counter, RowRange range) {
        runtime.counters().add(counter, range.rows());
    }
}
