package dev.tandem.gateway.fleet;

import dev.tandem.api.ApiException;
import dev.tandem.api.client.HttpCall;
import dev.tandem.api.client.HttpClient;
import dev.tandem.api.client.HttpReply;
import java.time.Duration;
import java.util.Optional;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What one node is asked, and the verdict that its answers lead to. It decides the next {@link Step} and waits for nothing: {@link
 * NodeProber} carries the steps out on a thread, a simulation as events of virtual time. A refused connection or a 5xx is a verdict on new
 * requests: those that the node has may still end well, as when it is being stopped. Silence is a verdict on all only when it has lasted,
 * since a busy node may answer late. Any other answer is that of a living server, which is then asked what it runs: once, and again whenever
 * it may have become another. Owned by whoever carries out the steps.
 */
public final class NodeProbe {
    private static final Logger LOG = LoggerFactory.getLogger(NodeProbe.class);

    private final FleetNode node;
    private final Fleet fleet;
    private final ProbeSchedule schedule;
    private final LongSupplier nanoClock;
    private int misses;
    private long askedNs;
    private long silentSinceNs; // of the first question missed
    private boolean isIdentified;
    private boolean asksWhatItRuns;

    /** What is to be done next. */
    public sealed interface Step {}

    /**
     * To send a call; then {@link #answered} or {@link #failed}.
     *
     * @param within how long the whole answer may take
     */
    public record Ask(HttpCall call, Duration within) implements Step {}

    /**
     * To wait, no longer than until the node is suspected; then {@link #paused}.
     *
     * @param atMost how long
     */
    public record Pause(Duration atMost) implements Step {}

    NodeProbe(FleetNode node, Fleet fleet, ProbeSchedule schedule, LongSupplier nanoClock) {
        this.node = node;
        this.fleet = fleet;
        this.schedule = schedule;
        this.nanoClock = nanoClock;
    }

    /** The node that is judged. */
    public FleetNode node() {
        return node;
    }

    /** The first step. */
    public Step begin() {
        asksWhatItRuns = false;
        askedNs = nanoClock.getAsLong();
        return ask("/health", schedule.answerWithin(silentFor()));
    }

    private Ask ask(String path, Duration within) {
        HttpCall call = HttpCall.get(node.address(), path);
        HttpCall authorized = fleet.key()
                .own()
                .map(key -> call.withHeader("Authorization", key))
                .orElse(call);
        return new Ask(authorized, within);
    }

    /** The node has answered. */
    public Step answered(HttpReply reply) {
        if (asksWhatItRuns) {
            identified(reply);
            return pause();
        }
        heard();
        if (reply.status() >= 500) {
            down("health answered " + reply.status());
            return pause();
        }
        if (isIdentified && node.isHealthy()) {
            return pause();
        }
        asksWhatItRuns = true;
        return ask("/version", schedule.answerWithin());
    }

    /** A node that does not say what it runs, or not now, is taken for what it is listed as. */
    private void identified(HttpReply reply) {
        isIdentified = reply.status() < 500;
        if (reply.status() == 401) {
            LOG.warn("node {} does not say what it runs without a key that it knows: see --node-api-key", node);
        }
        fleet.alive(node, reply.status() == 200 ? NodeIdentity.read(reply.body()) : Optional.empty());
    }

    /** The node has given no answer. */
    public Step failed(ApiException failure) {
        if (failure.kind() == ApiException.Kind.CANCELLED) {
            return pause();
        }
        if (asksWhatItRuns) {
            isIdentified = false;
            fleet.alive(node, Optional.empty());
        } else {
            missed(failure);
        }
        return pause();
    }

    /** A fault of ours, in this judgement only: a node that nobody asks any more would never come back. */
    Step broke(Throwable fault) {
        LOG.error("node={} was not judged by a fault of ours", node, fault);
        down("not judged by a fault of the gateway: " + fault);
        return pause();
    }

    private void missed(ApiException failure) {
        String cause = String.valueOf(failure.getMessage());
        if (!HttpClient.isSilence(failure)) {
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
        return misses == 0 ? Duration.ZERO : Duration.ofNanos(nanoClock.getAsLong() - silentSinceNs);
    }

    private void down(String cause) {
        isIdentified = false;
        node.markDown(cause);
    }

    private Pause pause() {
        return new Pause(
                switch (node.verdict().kind()) {
                    case UP, MISFIT -> misses == 0 ? schedule.whileUp() : schedule.whileDown();
                    case UNKNOWN, DOWN, HUNG -> schedule.whileDown(node.judgedFor());
                });
    }

    /**
     * The pause is over.
     *
     * @param isSuspected whether the node was suspected meanwhile
     */
    public Step paused(boolean isSuspected) {
        if (isSuspected) {
            isIdentified = false;
        }
        return begin();
    }
}
