package dev.tandem.api.server;

import dev.tandem.api.openai.ApiError;
import dev.tandem.counter.Counters;
import io.netty.channel.Channel;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The connections of one event loop, its share of what the server may have. A new connection beyond the bound takes the place of one that
 * waits for nothing: of the address with the most connections, first one that never had an answer. Where all are busy, some more are let in
 * to ask for status, and the rest is closed. Owned by the event loop.
 */
final class ConnectionTable {
    private static final Logger LOG = LoggerFactory.getLogger(ConnectionTable.class);
    /** An address may have all connections but 1 of this, which others find free. */
    private static final int OTHERS_SHARE = 8;

    /** This process, or its loop, has stood still when the last sweep is longer ago: what came meanwhile lies unread in its sockets. */
    private static final long STILLNESS_NS = TimeUnit.SECONDS.toNanos(3);
    /** Time to read it. */
    private static final long GRACE_NS = TimeUnit.SECONDS.toNanos(1);

    private static final long WARNING_PAUSE_NS = TimeUnit.MINUTES.toNanos(1);

    /** One address and what it has here. */
    static final class Client {
        private final String address;
        private final Set<ClientConnection> connections = new LinkedHashSet<>(); // oldest first
        int exchanges;

        Client(String address) {
            this.address = address;
        }
    }

    private final ConnectionLimits limits;
    private final long slowReaderNs;
    private final Counters<HttpCounter> counters;
    private final int most;
    private final int reserve;
    private final Map<String, Client> clients = new HashMap<>();
    private int open;
    private long sweptNs = System.nanoTime();
    private boolean isInGrace;
    private long graceEndNs;
    private long lastWarningNs;
    private boolean hasWarned;

    /** @param loops event loops that share the bound */
    ConnectionTable(ConnectionLimits limits, long slowReaderNs, int loops, Counters<HttpCounter> counters) {
        this.limits = limits;
        this.slowReaderNs = slowReaderNs;
        this.counters = counters;
        this.most = Math.max(1, limits.maxConnections() / loops);
        this.reserve = Math.max(1, ConnectionLimits.STATUS_RESERVE / loops);
    }

    /** Takes a new connection; none when it was closed because there is no room. */
    Optional<ClientConnection> open(Channel channel, String address) {
        Client client = clients.computeIfAbsent(address, Client::new);
        int mostOfClient = most - most / OTHERS_SHARE;
        if (client.connections.size() >= mostOfClient) {
            makeRoom(client);
        } else if (open >= most) {
            makeRoom(largestWithIdle());
        }
        clients.putIfAbsent(address, client); // the one that made room may have been its last
        boolean isReserve = open >= most || client.connections.size() >= mostOfClient;
        if (open >= most + reserve) {
            counters.increment(HttpCounter.CONNECTIONS_REFUSED);
            warn("no connection is idle, and " + open + " are open");
            forgetIfEmpty(client);
            ClientConnection.cut(channel);
            return Optional.empty();
        }
        var connection = new ClientConnection(channel, client, isReserve, System.nanoTime());
        client.connections.add(connection);
        open++;
        return Optional.of(connection);
    }

    /** A connection is gone, whoever closed it; doing so again does nothing. */
    void closed(ClientConnection connection) {
        if (connection.client().connections.remove(connection)) {
            open--;
            forgetIfEmpty(connection.client());
            connection.closed();
        }
    }

    /** Closes what has waited too long, unless it was this side that stood still. Called about every second. */
    void sweep(long nowNs) {
        if (!isInGrace && nowNs - sweptNs > STILLNESS_NS) {
            isInGrace = true;
            graceEndNs = nowNs + GRACE_NS;
        }
        sweptNs = nowNs;
        if (isInGrace && nowNs - graceEndNs < 0) {
            return;
        }
        isInGrace = false; // also where sweeps go on coming late: of two one judges
        for (Client client : Set.copyOf(clients.values())) {
            for (ClientConnection connection : Set.copyOf(client.connections)) {
                if (connection.isLate(limits, nowNs)) {
                    counters.increment(HttpCounter.HEADS_LATE);
                    closeLate(connection);
                } else if (connection.isStuck(slowReaderNs, nowNs)) {
                    counters.increment(HttpCounter.READERS_GIVEN_UP);
                    close(connection);
                }
            }
        }
    }

    private void makeRoom(@Nullable Client client) {
        ClientConnection victim = client == null ? null : leastUseful(client);
        if (victim != null) {
            counters.increment(HttpCounter.CONNECTIONS_EVICTED);
            warn("an idle connection of " + victim.client().address + " makes room, " + open + " are open");
            close(victim);
        }
    }

    private @Nullable Client largestWithIdle() {
        Client largest = null;
        for (Client client : clients.values()) {
            boolean isLarger = largest == null || client.connections.size() > largest.connections.size();
            if (isLarger && leastUseful(client) != null) {
                largest = client;
            }
        }
        return largest;
    }

    private static @Nullable ClientConnection leastUseful(Client client) {
        ClientConnection kept = null;
        for (ClientConnection connection : client.connections) {
            if (connection.isIdle() && !connection.hasServed()) {
                return connection;
            }
            if (kept == null && connection.isIdle()) {
                kept = connection;
            }
        }
        return kept;
    }

    /** Without the wait for what was written before: its client may never read it. */
    private void close(ClientConnection connection) {
        closed(connection);
        connection.cut();
    }

    /** Half a request is answered; to silence nothing is said, as after any idle time. */
    private void closeLate(ClientConnection connection) {
        if (!connection.isHeadBegun()) {
            close(connection);
            return;
        }
        closed(connection);
        String message = "the head of the request did not arrive within "
                + limits.headTimeout().toSeconds() + " s";
        String json = new ApiError(408, "RequestTimeoutError", message, null, -1)
                .toJson()
                .toString();
        String answer =
                "HTTP/1.1 408 Request Timeout\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: "
                        + json.length() + "\r\n\r\n" + json;
        connection.sendAndCut(answer);
    }

    private void forgetIfEmpty(Client client) {
        if (client.connections.isEmpty()) {
            clients.remove(client.address, client);
        }
    }

    /** An attack must not fill the log: a line per minute; the counters have the rest. */
    private void warn(String what) {
        long nowNs = System.nanoTime();
        if (!hasWarned || nowNs - lastWarningNs > WARNING_PAUSE_NS) {
            hasWarned = true;
            lastWarningNs = nowNs;
            LOG.warn("--max-connections is reached: {}", what);
        }
    }
}
