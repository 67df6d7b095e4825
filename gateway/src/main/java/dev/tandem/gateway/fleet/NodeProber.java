package dev.tandem.gateway.fleet;

import dev.tandem.api.ApiException;
import dev.tandem.api.client.HttpCall;
import dev.tandem.api.client.HttpClient;
import dev.tandem.api.client.HttpReply;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Asks one node for its health, forever, on a virtual thread of its own. A refused connection or a 5xx is a verdict on new requests: those
 * that the node has may still end well, as when it is being stopped. Silence is a verdict on all only when it has lasted, since a busy node
 * may answer late. Any other answer is that of a living server, which is then asked what it runs: once, and again whenever it may have
 * become another.
 */
final class NodeProber {
    private static final Logger LOG = LoggerFactory.getLogger(NodeProber.class);

    private final FleetNode node;
    private final Fleet fleet;
    private final HttpClient http;
    private final ProbeSchedule schedule;
    private final Runnable judgedOnce;
    private final Thread thread;
    private int misses;
    private long askedNs;
    private long silentSinceNs; // of the first question missed
    private boolean isIdentified;

    /** How nodes are asked. */
    record Asking(HttpClient http, ProbeSchedule schedule) {}

    private NodeProber(FleetNode node, Fleet fleet, Asking asking, Runnable judgedOnce) {
        this.node = node;
        this.fleet = fleet;
        this.http = asking.http();
        this.schedule = asking.schedule();
        this.judgedOnce = judgedOnce;
        this.thread = Thread.ofVirtual().name("probe " + node).unstarted(this::run);
    }

    static NodeProber start(FleetNode node, Fleet fleet, Asking asking, Runnable judgedOnce) {
        NodeProber prober = new NodeProber(node, fleet, asking, judgedOnce);
        prober.thread.start();
        return prober;
    }

    void stop() {
        thread.interrupt();
    }

    private void run() {
        boolean first = true;
        while (!Thread.currentThread().isInterrupted()) {
            judge();
            if (first) {
                first = false;
                judgedOnce.run();
            }
            pause();
        }
    }

    private void judge() {
        askedNs = System.nanoTime();
        try {
            HttpReply reply = ask("/health", schedule.answerWithin(silentFor()));
            heard();
            if (reply.status() >= 500) {
                down("health answered " + reply.status());
            } else {
                alive();
            }
        } catch (ApiException e) {
            missed(e);
        } catch (RuntimeException
                | Error e) { // of this judgement only: a node that nobody asks any more would never come back
            LOG.error("node={} was not judged by a fault of ours", node, e);
            down("not judged by a fault of the gateway: " + e);
        }
    }

    private HttpReply ask(String path, Duration within) {
        HttpCall call = HttpCall.get(node.address(), path);
        HttpCall authorized = fleet.key()
                .own()
                .map(key -> call.withHeader("Authorization", key))
                .orElse(call);
        return http.send(authorized, within);
    }

    /** A node that does not say what it runs, or not now, is taken for what it is listed as. */
    private void alive() {
        if (isIdentified && node.isHealthy()) {
            return;
        }
        Optional<NodeIdentity> identity = Optional.empty();
        try {
            HttpReply reply = ask("/version", schedule.answerWithin());
            isIdentified = reply.status() < 500;
            if (reply.status() == 401) {
                LOG.warn("node {} does not say what it runs without a key that it knows: see --node-api-key", node);
            }
            identity = reply.status() == 200 ? NodeIdentity.read(reply.body()) : identity;
        } catch (ApiException e) {
            if (e.kind() == ApiException.Kind.CANCELLED) {
                return;
            }
            isIdentified = false;
        }
        fleet.alive(node, identity);
    }

    private void missed(ApiException e) {
        if (e.kind() == ApiException.Kind.CANCELLED) {
            return;
        }
        String cause = String.valueOf(e.getMessage());
        if (!HttpClient.isSilence(e)) {
            heard();
            down(cause);
            return;
        }
        if (misses == 0) {
            silentSinceNs = askedNs;
        }
        misses++;
        // one miss says nothing of the node when this process itself was stopped meanwhile
        if (misses > 1 && silentFor().compareTo(schedule.silence()) >= 0) {
            isIdentified = false;
            node.markHung("no answer for " + schedule.silence().toMillis() + " ms: " + cause);
        }
    }

    private void heard() {
        misses = 0;
    }

    private Duration silentFor() {
        return misses == 0 ? Duration.ZERO : Duration.ofNanos(System.nanoTime() - silentSinceNs);
    }

    private void down(String cause) {
        isIdentified = false;
        node.markDown(cause);
    }

    private void pause() {
        Verdict verdict = node.verdict();
        Duration pause = switch (verdict.kind()) {
            case UP, MISFIT -> misses == 0 ? schedule.whileUp() : schedule.whileDown();
            case UNKNOWN, DOWN, HUNG -> schedule.whileDown(Duration.ofNanos(System.nanoTime() - verdict.sinceNs()));
        };
        try {
            if (node.suspicion().tryAcquire(pause.toMillis(), TimeUnit.MILLISECONDS)) {
                node.suspicion().drainPermits();
                isIdentified = false;
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
