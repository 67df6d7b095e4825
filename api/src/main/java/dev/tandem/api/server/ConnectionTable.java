package dev.tandem.api.server;

import dev.tandem.api.openai.ApiError;
import dev.tandem.counter.Counters;
import dev.tandem.trust.ConnectionsByHost;
import dev.tandem.trust.LogPause;
import dev.tandem.trust.PeerHost;
import io.netty.channel.Channel;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.Comparator;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
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

    /** Of those that wait for nothing: the oldest that never had an answer, else the oldest. */
    private static final Comparator<ClientConnection> LEAST_USEFUL_FIRST =
            Comparator.comparing(ClientConnection::hasServed);

    /** This process, or its loop, has stood still when the last sweep is longer ago: what came meanwhile lies unread in its sockets. */
    private static final long STILLNESS_NS = TimeUnit.SECONDS.toNanos(3);
    /** Time to read it. */
    private static final long GRACE_NS = TimeUnit.SECONDS.toNanos(1);

    private final ConnectionLimits limits;
    private final long slowReaderNs;
    private final Counters<HttpCounter> counters;
    private final int most;
    private final int reserve;
    private final ConnectionsByHost<ClientConnection> connections = new ConnectionsByHost<>();
    /** An attack must not fill the log; the counters have the rest. */
    private final LogPause warnings = new LogPause(Duration.ofMinutes(1));

    private long sweptNs = System.nanoTime();
    private boolean isInGrace;
    private long graceEndNs;

    /** @param loops event loops that share the bound */
    ConnectionTable(ConnectionLimits limits, long slowReaderNs, int loops, Counters<HttpCounter> counters) {
        this.limits = limits;
        this.slowReaderNs = slowReaderNs;
        this.counters = counters;
        this.most = Math.max(1, limits.maxConnections() / loops);
        this.reserve = Math.max(1, ConnectionLimits.STATUS_RESERVE / loops);
    }

    /** Takes a new connection; none when it was closed because there is no room. */
    Optional<ClientConnection> open(Channel channel) {
        String host = PeerHost.of(((InetSocketAddress) channel.remoteAddress()).getAddress());
        int mostOfHost = most - most / OTHERS_SHARE;
        if (connections.count(host) >= mostOfHost) {
            makeRoom(connections.ofHost(host, ClientConnection::isIdle, LEAST_USEFUL_FIRST));
        } else if (connections.count() >= most) {
            makeRoom(connections.ofLargest(ClientConnection::isIdle, LEAST_USEFUL_FIRST));
        }
        int open = connections.count();
        boolean isReserve = open >= most || connections.count(host) >= mostOfHost;
        if (open >= most + reserve) {
            counters.increment(HttpCounter.CONNECTIONS_REFUSED);
            warn("no connection is idle, and " + open + " are open");
            ClientConnection.cut(channel);
            return Optional.empty();
        }
        var connection = new ClientConnection(channel, this, host, isReserve, System.nanoTime());
        connections.add(host, connection);
        connection.attach();
        var unused = channel.closeFuture().addListener(gone -> closed(connection));
        return Optional.of(connection);
    }

    /** A connection is gone, whoever closed it; doing so again does nothing. */
    private void closed(ClientConnection connection) {
        if (connections.remove(connection.host(), connection)) {
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
        for (ClientConnection connection : connections.all()) {
            if (connection.isLate(limits, nowNs)) {
                counters.increment(HttpCounter.HEADS_LATE);
                closeLate(connection);
            } else if (connection.isStuck(slowReaderNs, nowNs)) {
                counters.increment(HttpCounter.READERS_GIVEN_UP);
                close(connection);
            }
        }
    }

    private void makeRoom(Optional<ClientConnection> idle) {
        idle.ifPresent(victim -> {
            counters.increment(HttpCounter.CONNECTIONS_EVICTED);
            warn("an idle connection of " + victim.host() + " makes room, " + connections.count() + " are open");
            close(victim);
        });
    }

    /** Requests in flight of all connections of a host. */
    int exchangesOf(String host) {
        return connections.of(host).stream()
                .mapToInt(ClientConnection::exchanges)
                .sum();
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

    private void warn(String what) {
        warnings.due().ifPresent(more -> LOG.warn("--max-connections is reached: {}{}", what, more));
    }
}
