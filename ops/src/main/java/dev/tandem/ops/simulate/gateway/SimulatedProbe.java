package dev.tandem.ops.simulate.gateway;

import dev.tandem.api.ApiException;
import dev.tandem.api.client.HttpCalls;
import dev.tandem.api.client.HttpReply;
import dev.tandem.api.client.ReplyHead;
import dev.tandem.api.client.ReplyListener;
import dev.tandem.api.client.Upstream;
import dev.tandem.gateway.fleet.NodeProbe;
import dev.tandem.ops.simulate.SimulatedHost;
import dev.tandem.ops.simulate.VirtualTime.Event;
import java.io.ByteArrayOutputStream;
import org.jspecify.annotations.Nullable;

/** Carries out the steps of one node's probe as events of virtual time. */
final class SimulatedProbe {
    private final SimulatedHost host;
    private final HttpCalls http;
    private final NodeProbe probe;
    private @Nullable Event pause;
    private boolean isSuspected;

    SimulatedProbe(SimulatedHost host, HttpCalls http, NodeProbe probe) {
        this.host = host;
        this.http = http;
        this.probe = probe;
    }

    void start() {
        probe.node().onSuspicion(this::suspected);
        carryOut(probe.begin());
    }

    private void suspected() {
        isSuspected = true;
        Event waiting = pause;
        if (waiting != null) {
            pause = null;
            waiting.cancel();
            host.after(0, "probe woken", this::paused);
        }
    }

    private void paused() {
        pause = null;
        boolean wasSuspected = isSuspected;
        isSuspected = false;
        carryOut(probe.paused(wasSuspected));
    }

    private void carryOut(NodeProbe.Step step) {
        switch (step) {
            case NodeProbe.Ask ask -> new Question(ask).send();
            case NodeProbe.Pause rest -> {
                if (isSuspected) {
                    host.after(0, "probe woken", this::paused);
                } else {
                    pause = host.after(rest.atMost().toNanos(), "probe pause", this::paused);
                }
            }
        }
    }

    /** One question; its answer within the time that the probe allows. */
    private final class Question implements ReplyListener {
        private final NodeProbe.Ask ask;
        private final ByteArrayOutputStream body = new ByteArrayOutputStream();
        private @Nullable ReplyHead head;
        private @Nullable Event deadline;

        Question(NodeProbe.Ask ask) {
            this.ask = ask;
        }

        void send() {
            Upstream upstream = http.startOnLoop(ask.call(), this);
            deadline = host.after(ask.within().toNanos(), "probe deadline", () -> {
                upstream.cancel();
                carryOut(probe.failed(new ApiException(ApiException.Kind.TIMEOUT, "no complete answer in time")));
            });
        }

        @Override
        public void head(ReplyHead arrived) {
            head = arrived;
        }

        @Override
        public void chunk(byte[] bytes) {
            body.writeBytes(bytes);
        }

        @Override
        public void end() {
            over();
            ReplyHead known = head;
            if (known == null) {
                throw new IllegalStateException("an end without a head");
            }
            carryOut(probe.answered(new HttpReply(known, body.toByteArray())));
        }

        @Override
        public void failed(ApiException failure) {
            over();
            carryOut(probe.failed(failure));
        }

        private void over() {
            Event waiting = deadline;
            if (waiting != null) {
                waiting.cancel();
            }
        }
    }
}
