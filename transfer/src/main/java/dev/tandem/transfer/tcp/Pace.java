package dev.tandem.transfer.tcp;

/**
 * How many bytes may leave now: a bucket that fills with time and holds what a few milliseconds bring, so that a fast machine can be
 * measured with a slow link. One for all connections of a transfer engine. Owned by the poller.
 */
public final class Pace {
    private static final double NANOS_PER_SECOND = 1e9;
    private static final double BUCKET_SECONDS = 0.004;
    private static final long LEAST_BUCKET_BYTES = 64 << 10;

    private final long bytesPerSecond;
    private final double bucketBytes;
    private double available;
    private long filledNs;

    /**
     * @param bytesPerSecond 0 for no bound
     * @param nowNs the bucket is empty now
     */
    public Pace(long bytesPerSecond, long nowNs) {
        if (bytesPerSecond < 0) {
            throw new IllegalArgumentException(bytesPerSecond + " bytes per second");
        }
        this.bytesPerSecond = bytesPerSecond;
        this.filledNs = nowNs;
        this.bucketBytes = Math.max(LEAST_BUCKET_BYTES, bytesPerSecond * BUCKET_SECONDS);
    }

    /** Bytes that may leave now; Long.MAX_VALUE without a bound. */
    public long allowance(long nowNs) {
        if (bytesPerSecond == 0) {
            return Long.MAX_VALUE;
        }
        available = Math.min(bucketBytes, available + (nowNs - filledNs) / NANOS_PER_SECOND * bytesPerSecond);
        filledNs = nowNs;
        return (long) available;
    }

    /** Bytes have left. */
    public void spend(long bytes) {
        available -= bytes;
    }

    /** Whether waiting bytes must go on waiting. */
    public boolean holdsBack(long nowNs) {
        return bytesPerSecond != 0 && allowance(nowNs) < 1;
    }

    /** When a worthwhile piece may leave again. */
    public long resumeNs(long nowNs) {
        return nowNs + (long) (bucketBytes / 4 / bytesPerSecond * NANOS_PER_SECOND);
    }
}
