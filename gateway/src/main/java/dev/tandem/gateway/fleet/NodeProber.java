package dev.tandem.gateway.fleet;

import dev.tandem.api.ApiException;
import dev.tandem.api.client.HttpClient;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;

/** Carries out the steps of one node's {@link NodeProbe}, forever, on a virtual thread of its own. */
final class NodeProber {
    private final NodeProbe probe;
    private final HttpClient http;
    private final Runnable judgedOnce;
    private final Thread thread;
    /** Wakes the thread before its time; released by event loops. */
    private final Semaphore suspicion = new Semaphore(0);

    private NodeProber(NodeProbe probe, HttpClient http, Runnable judgedOnce) {
        this.probe = probe;
        this.http = http;
        this.judgedOnce = judgedOnce;
        this.thread = Thread.ofVirtual().name("probe " + probe.node()).unstarted(this::run);
    }

    static NodeProber start(NodeProbe probe, HttpClient http, Runnable judgedOnce) {
        NodeProber prober = new NodeProber(probe, http, judgedOnce);
        probe.node().onSuspicion(prober.suspicion::release);
        prober.thread.start();
        return prober;
    }

    void stop() {
        thread.interrupt();
    }

    private void run() {
        boolean first = true;
        NodeProbe.Step step = probe.begin();
        while (!Thread.currentThread().isInterrupted()) {
            if (first && step instanceof NodeProbe.Pause) {
                first = false;
                judgedOnce.run();
            }
            try {
                step = carryOut(step);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            } catch (RuntimeException | Error e) {
                step = probe.broke(e);
            }
        }
    }

    private NodeProbe.Step carryOut(NodeProbe.Step step) throws InterruptedException {
        return switch (step) {
            case NodeProbe.Ask ask -> answer(ask);
            case NodeProbe.Pause pause -> {
                boolean isSuspected = suspicion.tryAcquire(pause.atMost().toMillis(), TimeUnit.MILLISECONDS);
                suspicion.drainPermits();
                yield probe.paused(isSuspected);
            }
        };
    }

    private NodeProbe.Step answer(NodeProbe.Ask ask) {
        try {
            return probe.answered(http.send(ask.call(), ask.within()));
        } catch (ApiException e) {
            return probe.failed(e);
        }
    }
}
