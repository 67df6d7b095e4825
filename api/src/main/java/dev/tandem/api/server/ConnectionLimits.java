package dev.tandem.api.server;

import com.sun.management.UnixOperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.time.Duration;

/**
 * Bounds on the connections of a server. At the bound the connection that is least useful is closed: one that waits for nothing, of the
 * address that has the most.
 *
 * @param maxConnections connections at once; {@value #STATUS_RESERVE} more are let in to ask for status
 * @param headTimeout how long the head of a request may take, and how long a new connection may stay silent
 * @param keepAlive how long a connection is kept between two requests
 */
public record ConnectionLimits(int maxConnections, Duration headTimeout, Duration keepAlive) {
    /** Connections beyond the bound on which only GET is answered, and what servers post that requests in flight wait for. */
    static final int STATUS_RESERVE = 64;

    private static final Duration HEAD_TIMEOUT = Duration.ofSeconds(10);
    private static final Duration KEEP_ALIVE = Duration.ofSeconds(75);
    /** Descriptors for what a process opens beside connections: files, libraries, selectors. */
    private static final int KEPT_DESCRIPTORS = 64;
    /** The share of the heap that heads in the making may take is 1 of this. */
    private static final int HEAP_SHARE = 8;

    private static final int LEAST = 16;
    private static final int MOST = 65_536;

    /** Checks the values. */
    public ConnectionLimits {
        if (maxConnections < 1 || headTimeout.isNegative() || headTimeout.isZero() || keepAlive.isNegative()) {
            throw new IllegalArgumentException("connection limits must be positive: " + maxConnections
                    + " connections, " + headTimeout + " for a head, " + keepAlive + " between requests");
        }
    }

    /** So many connections, with the usual deadlines. */
    public static ConnectionLimits of(int maxConnections) {
        return new ConnectionLimits(maxConnections, HEAD_TIMEOUT, KEEP_ALIVE);
    }

    /**
     * As many connections as the process has descriptors and memory for: of the descriptors that are free now, a client's connection may
     * take one of so many, the others being for what the process itself opens on its behalf.
     */
    public static ConnectionLimits ofProcess(int descriptorsPerConnection) {
        long byMemory = Runtime.getRuntime().maxMemory() / HEAP_SHARE / HttpServer.MAX_HEADER_BYTES;
        long byDescriptors = MOST;
        if (ManagementFactory.getOperatingSystemMXBean() instanceof UnixOperatingSystemMXBean system) {
            long free = system.getMaxFileDescriptorCount() - system.getOpenFileDescriptorCount() - KEPT_DESCRIPTORS;
            byDescriptors = (free - STATUS_RESERVE) / descriptorsPerConnection;
        }
        return of(Math.clamp(Math.min(byMemory, byDescriptors), LEAST, MOST));
    }
}
