package dev.tandem.parallel;

import dev.tandem.kernel.Matrix;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * The meeting point of the rank workers of one tensor-parallel group, all threads of one process. Members meet in lockstep: each brings a
 * matrix, and when the last one has come, all may read all matrices until the next meeting. A member that waits spins only when every rank
 * of the process has a core of its own, and otherwise parks at once. When one member fails, all others leave with its failure.
 *
 * <p>There is one meeting per exchange, and no second one after the reading: a member may write its matrix again when it has come to
 * the next meeting, since all others have read by then. So two exchanges in a row must not use the same matrix.
 */
public final class TensorGroup {
    private static final int SPINS = 2048;

    private final int size;
    private final int spins;

    /** Matrices of the running meeting and of the one before: a member may bring its next one while others still read. */
    private final Matrix[][] brought; // [2, size]

    /** Members that have come to the running meeting; the last one opens it. */
    private final AtomicInteger arrived = new AtomicInteger();

    /** Members that are parked, each in its own place, for the last one to wake. */
    private final AtomicReferenceArray<@Nullable Thread> parked;

    /** First failure of any member; all leave with it. */
    private final AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();

    /** Meetings that were held; written by the last member to come, which publishes all matrices by it. */
    private volatile int meetings;

    /**
     * @param size members
     * @param ownsCores every rank worker of the process has a core of its own, so that waiting members may spin
     */
    public TensorGroup(int size, boolean ownsCores) {
        this.size = size;
        this.spins = ownsCores ? SPINS : 0;
        this.brought = new Matrix[2][size];
        this.parked = new AtomicReferenceArray<>(size);
    }

    /** A group of one: nothing is ever exchanged. */
    public static TensorGroup single() {
        return new TensorGroup(1, true);
    }

    public int size() {
        return size;
    }

    /** The group as one member sees it. */
    public Collective member(int tp) {
        if (tp < 0 || tp >= size) {
            throw new IllegalArgumentException("member " + tp + " of " + size);
        }
        return new Collective(this, tp);
    }

    /** Ends all waiting; members leave with the first cause that was given. May be called from any thread. */
    public void fail(Throwable cause) {
        failure.compareAndSet(null, cause);
        wakeAll();
    }

    /**
     * Brings a matrix and waits for those of all others.
     *
     * @return all matrices by member, valid until this member's next meeting
     * @throws IllegalStateException when another member failed
     */
    @SuppressWarnings("ReferenceEquality") // the same buffer is meant, not equal content
    Matrix[] meet(int member, Matrix own) {
        int meeting = meetings;
        Matrix[] matrices = brought[meeting & 1];
        if (brought[1 - (meeting & 1)][member] == own) {
            throw new IllegalStateException("the same matrix in two exchanges in a row");
        }
        matrices[member] = own;
        if (arrived.incrementAndGet() == size) {
            arrived.set(0);
            meetings = meeting + 1;
            wakeAll();
        } else {
            await(member, meeting);
        }
        requireAlive();
        return matrices;
    }

    private void await(int member, int meeting) {
        for (int spin = 0; spin < spins; spin++) {
            if (meetings != meeting) {
                return;
            }
            Thread.onSpinWait();
        }
        parked.set(member, Thread.currentThread());
        while (meetings == meeting && failure.get() == null) {
            LockSupport.park(this);
        }
        parked.set(member, null);
    }

    private void wakeAll() {
        for (int member = 0; member < size; member++) {
            LockSupport.unpark(parked.get(member));
        }
    }

    private void requireAlive() {
        Throwable cause = failure.get();
        if (cause != null) {
            throw new IllegalStateException("another rank of the tensor-parallel group failed: " + cause, cause);
        }
    }
}
