package dev.tandem.ops.simulate;

import dev.tandem.counter.Counters;
import dev.tandem.engine.handoff.HandoffCounter;
import dev.tandem.engine.handoff.HandoffLimits;
import dev.tandem.engine.handoff.sidechannel.HostLookups;
import dev.tandem.engine.handoff.sidechannel.PeerAnswers;
import dev.tandem.engine.handoff.sidechannel.SideChannel;
import dev.tandem.engine.handoff.sidechannel.SideChannelClient;
import dev.tandem.engine.handoff.zmtp.MessageConnection;
import dev.tandem.engine.handoff.zmtp.ZmtpHandler;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.ArrayDeque;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** The side channel of a simulated process: the real client, services and codecs, over simulated connections; each task is an event. */
final class SimulatedSideChannel implements SideChannel {
    private static final String PROTOCOL = "side channel";
    private static final long TASK_NS = 5_000;
    private static final int FRAME_BYTES = 9;
    private static final int FIRST_FREE_PORT = 20_000;
    private static final int LOOKUPS = 16;

    private final SimulatedHost host;
    private final HandoffLimits limits;
    private final Counters<HandoffCounter> counters;
    private final ArrayDeque<Runnable> tasks = new ArrayDeque<>();
    private final Set<SimulatedConnection> connections = new LinkedHashSet<>();
    private final SideChannelClient client;
    private int offered; // tasks that begin something
    private int nextPort = FIRST_FREE_PORT;
    private VirtualTime.@Nullable Event alarm;
    private long alarmNs = Long.MAX_VALUE;
    private boolean isClosed;

    SimulatedSideChannel(SimulatedHost host, HandoffLimits limits, Counters<HandoffCounter> counters) {
        this.host = host;
        this.limits = limits;
        this.counters = counters;
        this.client =
                new SideChannelClient(this::connect, new HostLookups(this::execute, LOOKUPS), limits, host::nowNs);
    }

    private void connect(InetSocketAddress address, Function<MessageConnection, ZmtpHandler> handlers) {
        host.network()
                .connect(
                        host,
                        address.getAddress().getHostAddress(),
                        address.getPort(),
                        PROTOCOL,
                        connection -> end(connection, address.getPort(), handlers));
    }

    private SimulatedConnection.Handler end(
            SimulatedConnection connection, int port, Function<MessageConnection, ZmtpHandler> handlers) {
        connections.add(connection);
        ZmtpHandler handler = handlers.apply(new Messages(connection, port));
        return new SimulatedConnection.Handler() {
            @Override
            public void opened() {
                handler.opened();
                setAlarm();
            }

            @Override
            @SuppressWarnings("unchecked") // nothing else is sent over these connections
            public void received(Object message) {
                handler.received((List<byte[]>) message);
                setAlarm();
            }

            @Override
            public void closed(String reason) {
                connections.remove(connection);
                handler.closed(reason);
                setAlarm();
            }
        };
    }

    /** One end, as the side channel sees it. */
    private record Messages(SimulatedConnection connection, int port) implements MessageConnection {
        @Override
        public InetSocketAddress remote() {
            return new InetSocketAddress(InetAddress.ofLiteral(connection.remoteAddress()), port);
        }

        @Override
        public void send(List<byte[]> parts) {
            long bytes = 0;
            for (byte[] part : parts) {
                bytes += FRAME_BYTES + part.length;
            }
            connection.send(List.copyOf(parts), bytes);
        }

        @Override
        public void close(String reason) {
            connection.close(reason);
        }
    }

    @Override
    public int listen(String listening, int port, int ranks, Services services) {
        int first = port == 0 ? nextPort : port;
        nextPort += ranks;
        for (int rank = 0; rank < ranks; rank++) {
            int ownPort = first + rank;
            Service service = services.of(first, rank);
            host.network()
                    .listen(
                            host,
                            ownPort,
                            connection ->
                                    end(connection, ownPort, messages -> new PeerAnswers(messages, service, counters)));
        }
        return first;
    }

    @Override
    public void stopListening(int firstPort, int ranks) {
        for (int rank = 0; rank < ranks; rank++) {
            host.network().stopListening(host, firstPort + rank);
        }
    }

    @Override
    public boolean offer(Runnable task) {
        if (offered >= limits.tasks()) {
            counters.increment(HandoffCounter.TASKS_REFUSED);
            return false;
        }
        offered++;
        execute(() -> {
            offered--;
            task.run();
        });
        return true;
    }

    @Override
    public void execute(Runnable task) {
        if (!isClosed) {
            tasks.add(task);
            if (tasks.size() == 1) {
                host.after(TASK_NS, PROTOCOL + " task", this::runTask);
            }
        }
    }

    private void runTask() {
        Runnable task = tasks.peek();
        if (task == null) {
            return; // closed meanwhile
        }
        task.run();
        tasks.remove();
        if (!tasks.isEmpty()) {
            host.after(TASK_NS, PROTOCOL + " task", this::runTask);
        }
        setAlarm();
    }

    /** Sees to it that the client's deadlines are looked at in time. */
    private void setAlarm() {
        long dueNs = client.nextDeadlineNs();
        if (dueNs == alarmNs) {
            return;
        }
        if (alarm != null) {
            alarm.cancel();
        }
        alarmNs = dueNs;
        alarm = dueNs == Long.MAX_VALUE ? null : host.at(dueNs, PROTOCOL + " deadline", this::turn);
    }

    private void turn() {
        alarm = null;
        alarmNs = Long.MAX_VALUE;
        client.turn(host.nowNs());
        setAlarm();
    }

    @Override
    public long nowNs() {
        return host.nowNs();
    }

    @Override
    public SideChannelClient client() {
        return client;
    }

    @Override
    public boolean isRunning() {
        return !isClosed;
    }

    @Override
    public Optional<Throwable> failure() {
        return Optional.empty();
    }

    @Override
    public Optional<String> trouble() {
        return Optional.empty();
    }

    /** Whether nothing is asked and no task waits. */
    boolean isIdle() {
        return tasks.isEmpty() && client.isIdle();
    }

    @Override
    public void close() {
        isClosed = true;
        tasks.clear();
        List.copyOf(connections).forEach(connection -> connection.close("the side channel was closed"));
    }
}
