package dev.tandem.ops.simulate.gateway;

import dev.tandem.api.HttpAddress;
import dev.tandem.api.client.HttpCall;
import dev.tandem.api.client.HttpCalls;
import dev.tandem.api.client.HttpClientConfig;
import dev.tandem.api.client.ReplyListener;
import dev.tandem.api.client.Upstream;
import dev.tandem.ops.simulate.SimulatedConnection;
import dev.tandem.ops.simulate.SimulatedHost;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** The HTTP client of one life of a simulated host, with kept connections. It behaves as the real one does, time limits included. */
final class SimulatedHttp implements HttpCalls {
    private final SimulatedHost host;
    private final HttpClientConfig config;
    private final Map<HttpAddress, ArrayDeque<Line>> idle = new HashMap<>();
    private final Map<HttpAddress, Long> heardNs = new HashMap<>();
    private final Set<SimulatedUpstream> underWay = new LinkedHashSet<>();
    private final Consumer<HttpCall> started;

    /** @param started hears of every call */
    SimulatedHttp(SimulatedHost host, HttpClientConfig config, Consumer<HttpCall> started) {
        this.host = host;
        this.config = config;
        this.started = started;
    }

    @Override
    public Upstream startOnLoop(HttpCall call, ReplyListener listener) {
        started.accept(call);
        var upstream = new SimulatedUpstream(this, call, listener);
        underWay.add(upstream);
        upstream.begin();
        return upstream;
    }

    SimulatedHost host() {
        return host;
    }

    HttpClientConfig config() {
        return config;
    }

    /** The calls that have not ended, in the order in which they began. */
    List<SimulatedUpstream> underWay() {
        return new ArrayList<>(underWay);
    }

    /** When anything was last heard of a server, were it the end of a connection; the beginning of time for never. */
    long heardNs(HttpAddress address) {
        return heardNs.getOrDefault(address, Long.MIN_VALUE / 2);
    }

    void ended(SimulatedUpstream upstream) {
        underWay.remove(upstream);
    }

    /** A kept connection, or a new one. */
    Line line(HttpAddress address, SimulatedUpstream user) {
        ArrayDeque<Line> kept = idle.computeIfAbsent(address, unseen -> new ArrayDeque<>());
        long nowNs = host.nowNs();
        for (Line line = kept.pollLast(); line != null; line = kept.pollLast()) {
            if (!line.connection.isClosed()
                    && nowNs - line.idleSinceNs < config.idleKeepAlive().toNanos()) {
                line.user = user;
                line.isUsed = true;
                return line;
            }
            line.connection.close("idle");
        }
        return new Line(address, user);
    }

    /** A connection to a server and the call that it carries now. */
    final class Line implements SimulatedConnection.Handler {
        private final HttpAddress address;
        private final SimulatedConnection connection;
        private @Nullable SimulatedUpstream user;
        private long idleSinceNs;
        private boolean isUsed;
        private boolean isOpen;

        private Line(HttpAddress address, SimulatedUpstream user) {
            this.address = address;
            this.user = user;
            this.connection = host.network().connect(host, address.host(), address.port(), "http", connecting -> this);
        }

        boolean isLost() {
            return connection.isSilent();
        }

        boolean isUsed() {
            return isUsed;
        }

        void send(HttpMessage message, long bytes) {
            connection.send(message, bytes);
        }

        void close() {
            user = null;
            connection.close("called off");
        }

        /** The call has ended well: the connection can carry another. */
        void keep() {
            user = null;
            idleSinceNs = host.nowNs();
            idle.computeIfAbsent(address, unseen -> new ArrayDeque<>()).addLast(this);
        }

        private void heard() {
            heardNs.put(address, host.nowNs());
        }

        @Override
        public void opened() {
            heard();
            isOpen = true;
            SimulatedUpstream current = user;
            if (current != null) {
                current.connected(this);
            }
        }

        @Override
        public void received(Object message) {
            heard();
            SimulatedUpstream current = user;
            if (current != null) {
                current.received((HttpMessage) message);
            }
        }

        @Override
        public void closed(String reason) {
            heard();
            SimulatedUpstream current = user;
            user = null;
            if (current != null) {
                current.lineClosed(isOpen, reason);
            }
        }
    }
}
