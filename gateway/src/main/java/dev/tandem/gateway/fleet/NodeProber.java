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
 * Asks one node for its health, forever, on a virtual thread of its own. A refused connection or a 5xx is a verdict; silence is one only
 * after some misses in a row, since a busy node may answer late. Any other answer is that of a living server, which is then asked what it
 * runs: once, and again whenever it may have become another.
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
        try {
            HttpReply reply = ask("/health");
            if (reply.status() >= 500) {
                down("health answered " + reply.status());
            } else {
                misses = 0;
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

    private HttpReply ask(String path) {
        HttpCall call = HttpCall.get(node.address(), path);
        HttpCall authorized = fleet.key()
                .own()
                .map(key -> call.withHeader("Authorization", key))
                .orElse(call);
        return http.send(authorized, schedule.answerWithin());
    }

    /** A node that does not say what it runs, or not now, is taken for what it is listed as. */
    private void alive() {
        if (isIdentified && node.isHealthy()) {
            return;
        }
        Optional<NodeIdentity> identity = Optional.empty();
        try {
            HttpReply reply = ask("/version");
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
        misses++;
        if (e.kind() != ApiException.Kind.TIMEOUT || misses > schedule.missesAllowed()) {
            down(String.valueOf(e.getMessage()));
        }
    }

    private void down(String cause) {
        isIdentified = false;
        node.markDown(cause);
    }

    private void pause() {
        Verdict verdict = node.verdict();
        Duration pause = switch (verdict.kind()) {
            case UP, MISFIT -> misses == 0 ? schedule.whileUp() : schedule.whileDown();
            case UNKNOWN, DOWN -> schedule.whileDown(Duration.ofNanos(System.nanoTime() - verdict.sinceNs()));
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
