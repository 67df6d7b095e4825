package dev.tandem.gateway.intake;

import dev.tandem.api.client.Upstream;
import dev.tandem.api.openai.ApiError;
import dev.tandem.api.server.LoopExchange;
import dev.tandem.gateway.protocol.ExchangeMeters;
import dev.tandem.gateway.protocol.GatewayCounter;
import dev.tandem.gateway.relay.Answer;
import java.io.ByteArrayOutputStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Executor;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The answer to a client. Events are sent on as soon as the event loop has handled what the network has delivered: those that came
 * together leave together, in one system call instead of one each. A slow client holds the nodes back that send to it. Owned by the event
 * loop of the client's connection.
 */
final class ClientAnswer implements Answer {
    private static final Logger LOG = LoggerFactory.getLogger(ClientAnswer.class);

    /** What waits for a client that does not keep up: in its socket's queue, and on the way from the node. */
    private static final int STALLED_BYTES = 128 << 10;

    private final LoopExchange client;
    private final String requestId;
    private final ExchangeMeters meters;
    private final RunningAnswers running;
    private final Runnable whenOver;
    private final long startNs;
    private final ByteArrayOutputStream ready = new ByteArrayOutputStream(512);
    /** Who has sent what is ready. */
    private final List<Upstream> senders = new ArrayList<>(1);
    /** Who waits until the client has read. */
    private final Set<Upstream> heldBack = new LinkedHashSet<>(0);

    private @Nullable Runnable goneAction;
    private boolean begun;
    private boolean flushComing;
    private boolean over;

    /**
     * Ends an answer that the gateway does not live to complete: nodes are called off, the client is told. Any thread.
     */
    void stop() {
        client.soon(() -> {
            if (!over) {
                callOff();
                fail(RunningAnswers.STOPPING);
            }
        });
    }

    /** Ends an answer whose exchange has failed by a fault of ours: nodes are called off, the client is told. */
    void abandon(RuntimeException cause) {
        if (!over) {
            callOff();
            client.fail(cause);
            end();
        }
    }

    /** When it was asked for, by the clock of its meters. */
    long startNs() {
        return startNs;
    }

    private void callOff() {
        Runnable action = goneAction;
        if (action != null) {
            action.run();
        }
    }

    /**
     * An answer that may begin if {@link RunningAnswers#add} says so.
     *
     * @param running hears of its end
     * @param whenOver run once when the answer has ended or lost its reader
     */
    ClientAnswer(
            LoopExchange client, String requestId, ExchangeMeters meters, RunningAnswers running, Runnable whenOver) {
        this.running = running;
        this.client = client;
        this.requestId = requestId;
        this.meters = meters;
        this.startNs = meters.nanoClock().getAsLong();
        this.whenOver = whenOver;
        client.responseHeader("X-Request-Id", requestId);
        client.onDisconnect(this::gone);
    }

    @Override
    public Optional<ApiError> hold(long bytes) {
        // behind the end nothing can be held, and nothing is kept: a prefill node may answer last
        return over || client.hold(bytes) ? Optional.empty() : Optional.of(client.memoryRefusal());
    }

    @Override
    public void header(String name, String value) {
        client.responseHeader(name, value);
    }

    @Override
    public void trailer(String name, String value) {
        client.responseTrailer(name, value);
    }

    @Override
    public void respond(int status, String contentType, byte[] body) {
        if (!over && status < 300) {
            meters.firstByteSeconds().record(elapsedSeconds());
        }
        client.respond(status, contentType, body);
        end();
    }

    @Override
    public void events(byte[] events, Upstream from) {
        if (over) {
            return;
        }
        if (!begun) {
            begun = true;
            meters.firstByteSeconds().record(elapsedSeconds());
            client.responseHeader("Cache-Control", "no-cache");
            client.begin(200, "text/event-stream; charset=utf-8");
        }
        ready.writeBytes(events);
        if (!senders.contains(from)) {
            senders.add(from);
        }
        if (!flushComing) {
            flushComing = true;
            client.soon(this::flush);
        }
    }

    @Override
    public void endEvents() {
        client.endWith(takeReady());
        end();
    }

    @Override
    public void fail(ApiError error) {
        if (begun) {
            client.send(takeReady());
        }
        client.fail(error);
        end();
    }

    @Override
    public void onGone(Runnable action) {
        goneAction = action;
    }

    @Override
    public void soon(Runnable action) {
        client.soon(action);
    }

    @Override
    public Executor loop() {
        return client.loop();
    }

    @Override
    public void later(Duration delay, Runnable action) {
        client.later(delay, action);
    }

    private void flush() {
        flushComing = false;
        if (ready.size() == 0 || client.isOver()) {
            return;
        }
        client.send(takeReady());
        if (!client.isWritable()) {
            holdBack();
        }
        senders.clear();
    }

    /** The client is slow: nodes wait until it has caught up, and what waits for it meanwhile is counted. */
    private void holdBack() {
        if (heldBack.isEmpty() && hold(STALLED_BYTES).isPresent()) {
            LOG.warn("slow client given up, too many bytes wait for others: request={}", requestId);
            client.abort();
            gone();
            return;
        }
        senders.forEach(Upstream::pause);
        heldBack.addAll(senders);
        client.onWritable(this::goOn);
    }

    private void goOn() {
        if (heldBack.isEmpty()) {
            return; // it has caught up before
        }
        client.letGo(STALLED_BYTES);
        List<Upstream> waiting = List.copyOf(heldBack);
        heldBack.clear();
        waiting.forEach(Upstream::resume);
    }

    private byte[] takeReady() {
        byte[] bytes = ready.toByteArray();
        ready.reset();
        return bytes;
    }

    private void gone() {
        if (over) {
            return;
        }
        meters.counters().increment(GatewayCounter.CLIENTS_GONE);
        LOG.info("client gone: request={} afterMs={}", requestId, Math.round(1_000 * elapsedSeconds()));
        callOff();
        end();
    }

    private void end() {
        if (over) {
            return;
        }
        over = true;
        running.remove(this);
        meters.requestSeconds().record(elapsedSeconds());
        whenOver.run();
    }

    private double elapsedSeconds() {
        return meters.secondsSince(startNs);
    }
}
