package dev.tandem.preflight.machine;

/** Where a figure of a machine turns from good to bad; {@code docs/operations.md} has them as a table. Facts without one are notes. */
public final class Thresholds {
    /** Open files below this fail under load: each client, peer connection and rank takes some. */
    public static final long FEWEST_OPEN_FILES = 1_024;

    /** Open files below this may fail with hundreds of clients. */
    public static final long USUAL_OPEN_FILES = 16_384;

    /** Free memory that should be left beside weights and KV, for scratch, Java and the system, as a part of what is needed. */
    public static final double MEMORY_RESERVE = 0.1;

    /** Between nodes: KV of long prompts takes seconds below 1 Gbit/s. Bytes per second. */
    public static final double SLOWEST_LINK = 125e6;

    /** Between nodes: expert rows and side channels wait this long, several times per token. Milliseconds there and back. */
    public static final double LONGEST_ROUND_TRIP_MS = 2;

    /** Between nodes: beyond this the logs of two nodes cannot be read side by side. Nothing else depends on clocks. Milliseconds. */
    public static final double LARGEST_CLOCK_SKEW_MS = 500;

    private Thresholds() {}
}
