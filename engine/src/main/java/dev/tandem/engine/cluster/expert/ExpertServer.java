package dev.tandem.engine.cluster.expert;

import dev.tandem.engine.cluster.ClusterCounter;
import dev.tandem.engine.cluster.ListeningGreeting;
import dev.tandem.engine.cluster.channel.FrameChannel;
import dev.tandem.engine.cluster.channel.FrameException;
import dev.tandem.engine.cluster.channel.FrameKind;
import dev.tandem.engine.cluster.expert.ExpertFrames.CallHeader;
import dev.tandem.parallel.ExpertRows;
import dev.tandem.trust.Wire;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One connection of a foreign process that sends rows. The reader thread unpacks a call into buffers, expert workers compute it, and the
 * last of them sends the results. A bounded number of calls is under way; one more is answered with an error, and its sender computes the
 * rows itself.
 */
final class ExpertServer implements FrameChannel.FrameHandler {
    private static final Logger LOG = LoggerFactory.getLogger(ExpertServer.class);

    private final FrameChannel channel;
    private final ListeningGreeting greeting;
    private final ExpertRuntime runtime;
    private final ConcurrentLinkedQueue<Job> idle = new ConcurrentLinkedQueue<>(); // buffers to be used again
    private final AtomicInteger underWay = new AtomicInteger(); // the reader adds, whoever ends a call subtracts
    private boolean isWelcome; // owned by the reader

    ExpertServer(FrameChannel channel, ExpertRuntime runtime) {
        this.channel = channel;
        this.runtime = runtime;
        this.greeting = new ListeningGreeting(
                channel, runtime.setup().terms(), runtime.setup().secret(), Wire.EXPERTS);
    }

    @Override
    public void received(FrameKind kind, ByteBuffer body) throws FrameException {
        if (!isWelcome) {
            isWelcome = greeting.answer(kind, body).isPresent();
            return;
        }
        if (kind != FrameKind.EXPERT_CALL) {
            throw new FrameException("frame", "EXPERT_CALL", kind);
        }
        CallHeader header = ExpertFrames.readHeader(body);
        try {
            serve(header, body);
        } catch (FrameException wrong) {
            refuse(header.id(), String.valueOf(wrong.getMessage()));
        }
    }

    @Override
    public void closed(String cause) {
        idle.clear(); // calls under way end by themselves and are dropped
    }

    private void serve(CallHeader header, ByteBuffer body) throws FrameException {
        ExpertFrames.check(header, body, runtime.shape());
        int most = runtime.setup().maxForeignCalls();
        if (underWay.incrementAndGet() > most) {
            underWay.decrementAndGet();
            throw new FrameException("calls under way", "at most " + most, most + 1);
        }
        Job job = job(header.rows());
        try {
            ExpertFrames.readCall(header, body, job.rows);
        } catch (FrameException wrong) {
            end(job);
            throw wrong;
        }
        runtime.counters().add(ClusterCounter.EXPERT_ROWS_SERVED, header.rows());
        job.begin(header.id());
    }

    private void refuse(long id, String message) {
        runtime.counters().increment(ClusterCounter.EXPERT_CALLS_REFUSED);
        LOG.warn("rows of peer={} are refused: {}", channel.peer(), message);
        channel.offer(FrameKind.EXPERT_ERROR, ExpertFrames.error(id, message));
    }

    /** Buffers that are large enough. */
    private Job job(int rows) {
        Job job = idle.poll();
        if (job != null && job.maxRows >= rows) {
            return job;
        }
        int roomy = Math.max(
                16, Integer.highestOneBit(rows - 1 | 1) * 2); // so that calls that grow do not each take new ones
        return new Job(roomy);
    }

    private void end(Job job) {
        underWay.decrementAndGet();
        if (!channel.isClosed()) {
            idle.add(job); // never more than were under way at once
        }
    }

    /** One call: its rows, its results, and the tasks that are not done yet. */
    private final class Job implements ExpertTask.Owner {
        private final int maxRows;
        private final ExpertRows rows;
        private final byte[] reply;
        private final AtomicInteger tasks = new AtomicInteger(); // workers count down
        private final AtomicReference<@Nullable Throwable> failure =
                new AtomicReference<>(); // of the first that failed
        private long id;

        Job(int maxRows) {
            this.maxRows = maxRows;
            this.rows = new ExpertRows(
                    maxRows, runtime.shape().hiddenSize(), runtime.shape().experts());
            this.reply =
                    new byte[ExpertFrames.resultBytes(maxRows, runtime.shape().hiddenSize())];
        }

        /** Reader thread: hands the call to workers. */
        void begin(long callId) {
            id = callId;
            failure.set(null);
            List<ExpertTask> parts = runtime.split(rows, this);
            tasks.set(parts.size());
            for (ExpertTask part : parts) {
                if (!runtime.post(part)) {
                    done(part, Optional.of(new RejectedExecutionException("as many tasks wait as may")));
                }
            }
        }

        @Override
        public void done(ExpertTask task, Optional<Throwable> cause) {
            cause.ifPresent(it -> failure.compareAndSet(null, it));
            if (tasks.decrementAndGet() > 0) {
                return;
            }
            Throwable reason = failure.get();
            if (reason != null) {
                if (!(reason instanceof RejectedExecutionException)) {
                    LOG.error("rows of peer={} could not be computed", channel.peer(), reason);
                }
                refuse(id, "not computed: " + reason);
                end(this);
                return;
            }
            int bytes = ExpertFrames.writeResult(reply, id, rows.results(), rows.rows());
            if (!channel.offer(FrameKind.EXPERT_RESULT, reply, bytes, () -> end(this))) {
                end(this);
            }
        }
    }
}
