package dev.tandem.engine.cluster.expert;

import dev.tandem.engine.cluster.channel.FrameException;
import dev.tandem.parallel.ExpertRows;
import java.nio.ByteBuffer;
import java.util.concurrent.atomic.AtomicReference;

/**
 * Rows on their way to the owner of their experts. Either the connection's reader brings the results, or somebody gives up; whichever
 * comes first, so that nothing is written into the results after the caller has gone on.
 */
final class ExpertCall {
    private enum State {
        OPEN,
        ARRIVING,
        ANSWERED,
        FAILED
    }

    private final ExpertRows rows;
    private final RowRange range;
    private final Arrivals arrivals;
    private final byte[] buffer;
    private final AtomicReference<State> state = new AtomicReference<>(State.OPEN);
    private volatile boolean isSent; // the buffer is the caller's again; set by the connection's writer

    /** @param buffer with room for the call; the caller's again when {@link #isSent} */
    ExpertCall(ExpertRows rows, RowRange range, Arrivals arrivals, byte[] buffer) {
        this.rows = rows;
        this.range = range;
        this.arrivals = arrivals;
        this.buffer = buffer;
        arrivals.expect();
    }

    RowRange range() {
        return range;
    }

    byte[] buffer() {
        return buffer;
    }

    /** Writes the call into its buffer; gives its length. */
    int write(long id) {
        return ExpertFrames.writeCall(buffer, id, rows, range);
    }

    void sent() {
        isSent = true;
    }

    boolean isSent() {
        return isSent;
    }

    /** Reader thread: the results. */
    void answer(ByteBuffer body) throws FrameException {
        if (!state.compareAndSet(State.OPEN, State.ARRIVING)) {
            return; // given up meanwhile
        }
        State end = State.FAILED;
        try {
            ExpertFrames.readResult(body, rows.results(), range);
            end = State.ANSWERED;
        } finally {
            state.set(end);
            arrivals.arrive();
        }
    }

    /** No results will be taken any more; false, and without effect, when they are arriving or here, or it was given up before. */
    boolean giveUp() {
        if (!state.compareAndSet(State.OPEN, State.FAILED)) {
            return false;
        }
        arrivals.arrive();
        return true;
    }

    boolean isAnswered() {
        return state.get() == State.ANSWERED;
    }
}
