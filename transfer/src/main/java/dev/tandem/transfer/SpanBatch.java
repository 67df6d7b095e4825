package dev.tandem.transfer;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;

/**
 * What one transfer moves: spans between one local memory and one peer's addresses, as packed longs.
 *
 * @param local memory that is read or written here; stays valid until the transfer has completed
 * @param packed per span: offset in {@code local}, address at the peer, bytes; [3 * spans]
 */
@SuppressWarnings("ArrayRecordComponent") // packed for 100,000 spans; never compared
public record SpanBatch(MemorySegment local, long[] packed) {
    public SpanBatch {
        if (packed.length % 3 != 0) {
            throw new IllegalArgumentException(packed.length + " longs are not whole spans of 3");
        }
    }

    public int spans() {
        return packed.length / 3;
    }

    public long localOffset(int span) {
        return packed[3 * span];
    }

    public long remoteAddress(int span) {
        return packed[3 * span + 1];
    }

    public long bytes(int span) {
        return packed[3 * span + 2];
    }

    /** Bytes of all spans. */
    public long totalBytes() {
        long total = 0;
        for (int span = 0; span < spans(); span++) {
            total = Math.addExact(total, bytes(span));
        }
        return total;
    }

    /** The spans of several batches over one local memory, in their order. */
    public static SpanBatch joined(List<SpanBatch> batches) {
        if (batches.size() == 1) {
            return batches.getFirst();
        }
        MemorySegment local = batches.getFirst().local();
        int used = 0;
        for (SpanBatch batch : batches) {
            if (!batch.local().equals(local)) {
                throw new IllegalArgumentException("batches over two memories: " + local + " and " + batch.local());
            }
            used += batch.packed().length;
        }
        var packed = new long[used];
        int at = 0;
        for (SpanBatch batch : batches) {
            System.arraycopy(batch.packed(), 0, packed, at, batch.packed().length);
            at += batch.packed().length;
        }
        return new SpanBatch(local, packed);
    }

    /** Collects spans and joins neighbours that touch on both sides. */
    public static final class Builder {
        private long[] packed = new long[48];
        private int used;

        public Builder add(long localOffset, long remoteAddress, long bytes) {
            if (used > 0
                    && packed[used - 3] + packed[used - 1] == localOffset
                    && packed[used - 2] + packed[used - 1] == remoteAddress) {
                packed[used - 1] += bytes;
                return this;
            }
            if (used == packed.length) {
                packed = Arrays.copyOf(packed, used * 2);
            }
            packed[used] = localOffset;
            packed[used + 1] = remoteAddress;
            packed[used + 2] = bytes;
            used += 3;
            return this;
        }

        public SpanBatch build(MemorySegment local) {
            return new SpanBatch(local, Arrays.copyOf(packed, used));
        }
    }
}
