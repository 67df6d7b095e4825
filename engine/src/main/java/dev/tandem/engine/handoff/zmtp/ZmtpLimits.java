package dev.tandem.engine.handoff.zmtp;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;

/**
 * Everything that bounds what peers can make this process keep or wait for.
 *
 * @param sizes of what comes
 * @param memory of what is kept
 * @param crowd connections
 * @param times deadlines
 */
public record ZmtpLimits(Sizes sizes, Memory memory, Crowd crowd, Times times) {
    /** The heap's share that all peers together may fill: one in this many. */
    private static final int HEAP_SHARE = 16;

    /** The descriptors' share that connections of peers may take: one in this many. The rest is the node's. */
    private static final int DESCRIPTOR_SHARE = 4;

    private static final int LEAST_CONNECTIONS = 16;
    private static final int MOST_CONNECTIONS = 4096;
    private static final int DEFAULT_DESCRIPTORS = 1024; // where the system does not say
    private static final Path PROCESS_LIMITS = Path.of("/proc/self/limits");

    /**
     * @param requestBytes longest message of a peer that asks: all its parts, so that no frame may be longer either
     * @param answerBytes longest message of a peer that was asked
     * @param commandBytes longest command, such as READY
     * @param parts of one message
     */
    public record Sizes(int requestBytes, int answerBytes, int commandBytes, int parts) {}

    /**
     * @param queuedBytes that wait to be written to one peer; with more, nothing is read from it until it has read
     * @param totalBytes unfinished messages and queued answers of all peers; with more, the peer with the most goes
     */
    public record Memory(int queuedBytes, long totalBytes) {}

    /**
     * @param connections that peers may have open to all listeners together
     * @param perListener that they may have to one port
     * @param perHost that one address may have to one port; with one more, the longest silent one of it goes
     * @param lookups names of hosts that may be looked up at a time
     */
    public record Crowd(int connections, int perListener, int perHost, int lookups) {}

    /**
     * @param handshake for greeting and READY, from the connection on
     * @param stall for the rest of a message that has begun, and for a peer to read an answer
     * @param acceptPause when descriptors have run out
     * @param logInterval in which refusals of one kind give one line of log
     */
    public record Times(Duration handshake, Duration stall, Duration acceptPause, Duration logInterval) {}

    /** Bounds that only a fault or an attack reaches, as this process's heap and descriptors allow. */
    public static ZmtpLimits ofThisProcess(int requestBytes, int answerBytes) {
        return of(requestBytes, answerBytes, Runtime.getRuntime().maxMemory(), descriptors());
    }

    static ZmtpLimits of(int requestBytes, int answerBytes, long heapBytes, long descriptors) {
        int connections = Math.clamp(descriptors / DESCRIPTOR_SHARE, LEAST_CONNECTIONS, MOST_CONNECTIONS);
        return new ZmtpLimits(
                new Sizes(requestBytes, answerBytes, 4 << 10, 8),
                new Memory(256 << 10, heapBytes / HEAP_SHARE),
                new Crowd(connections, Math.min(connections, 1024), Math.min(connections, 512), 16),
                new Times(
                        Duration.ofSeconds(5), Duration.ofSeconds(10), Duration.ofMillis(100), Duration.ofSeconds(10)));
    }

    /** How many files this process may have open. */
    private static long descriptors() {
        try {
            for (String line : Files.readAllLines(PROCESS_LIMITS)) {
                if (line.startsWith("Max open files")) {
                    String soft =
                            line.substring("Max open files".length()).strip().split("\\s+", 2)[0];
                    return soft.equals("unlimited") ? Long.MAX_VALUE : Long.parseLong(soft);
                }
            }
        } catch (IOException | NumberFormatException notLinux) {
            return DEFAULT_DESCRIPTORS;
        }
        return DEFAULT_DESCRIPTORS;
    }
}
