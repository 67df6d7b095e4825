package dev.tandem.api;

import java.util.concurrent.atomic.AtomicInteger;

/**
 * Loopback addresses of this test run's own. Nobody else on the machine listens there, other test runs included, so a port on such an
 * address can have a fixed number: no test has to look for a free one, which another process may take before it is used.
 */
public final class Loopback {
    private static final int LAST_OCTETS = 254;
    private static final int RUNS = 4080;
    private static final AtomicInteger TAKEN = new AtomicInteger();

    private Loopback() {}

    /** An address that this run has not used yet: 12 bits tell the run by its process id, 12 bits count. */
    public static String next() {
        int count = TAKEN.getAndIncrement();
        int third = count / LAST_OCTETS;
        if (third > 15) {
            throw new IllegalStateException("a test run has no more than " + 16 * LAST_OCTETS + " loopback addresses");
        }
        int run = 16 + (int) (ProcessHandle.current().pid() % RUNS);
        return "127." + (run >> 4) + "." + ((run & 15) << 4 | third) + "." + (1 + count % LAST_OCTETS);
    }
}
