package dev.tandem.gateway.fleet;

import dev.tandem.api.ApiException;
import dev.tandem.api.HttpCall;
import dev.tandem.api.HttpClient;
import dev.tandem.api.HttpReply;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/**
 * Asks one node for its health, for ever, on a virtual thread of its own. A refused connection or a 5xx is a verdict; silence is one only
 * after some misses in a row, since a busy node may answer late. Any other answer is that of a living server.
 */
final class NodeProber {
    private final FleetNode node;
    private final HttpClient http;
    private final ProbeSchedule schedule;
    private final Runnable judgedOnce;
    private final Thread thread;
    private int misses;

    private NodeProber(FleetNode node, HttpClient http, ProbeSchedule schedule, Runnable judgedOnce) {
        this.node = node;
        this.http = http;
        this.schedule = schedule;
        this.judgedOnce = judgedOnce;
        this.thread = Thread.ofVirtual().name("probe " + node).unstarted(this::run);
    }

    static NodeProber start(FleetNode node, HttpClient http, ProbeSchedule schedule, Runnable judgedOnce) {
        NodeProber prober = new NodeProber(node, http, schedule, judgedOnce);
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
            HttpReply reply = http.send(HttpCall.get(node.address(), "/health"), schedule.answerWithin());
            if (reply.status() >= 500) {
                node.markDown("health answered " + reply.status());
            } else {
                misses = 0;
                node.markUp();
            }
        } catch (ApiException e) {
            missed(e);
        }
    }

    private void missed(ApiException e) {
        if (e.kind() == ApiException.Kind.CANCELLED) {
            return;
        }
        misses++;
        if (e.kind() != ApiException.Kind.TIMEOUT || misses > schedule.missesAllowed()) {
            node.markDown(String.valueOf(e.getMessage()));
        }
    }

    private void pause() {
        Duration pause = node.isHealthy() && misses == 0 ? schedule.whileUp() : schedule.whileDown();
        try {
            if (node.suspicion().tryAcquire(pause.toMillis(), TimeUnit.MILLISECONDS)) {
                node.suspicion().drainPermits();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
