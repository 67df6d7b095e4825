package dev.tandem.cli;

/** The one place that ends the process. */
final class Exit {
    static final int WELL = 0;
    static final int FAILED = 1;
    static final int WRONG_ARGUMENTS = 2;

    /** Longest time that shutdown hooks may take before the process ends regardless. */
    private static final long HOOK_LIMIT_MS = 4_500;

    private Exit() {}

    /** Runs shutdown hooks, for a bounded time, and ends. */
    static void now(int status) {
        Thread.ofPlatform().daemon().name("exit-limit").start(() -> {
            try {
                Thread.sleep(HOOK_LIMIT_MS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
            Runtime.getRuntime().halt(status);
        });
        System.exit(status);
    }
}
