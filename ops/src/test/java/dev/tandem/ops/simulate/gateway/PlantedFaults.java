package dev.tandem.ops.simulate.gateway;

import dev.tandem.api.ApiException;
import dev.tandem.api.client.HttpCall;
import dev.tandem.api.client.ReplyHead;
import dev.tandem.api.client.ReplyListener;
import dev.tandem.api.client.Upstream;
import dev.tandem.gateway.fleet.NodeRole;
import dev.tandem.ops.simulate.gateway.GatewaySimulation.Options;
import dev.tandem.ops.simulate.gateway.GatewaySimulation.Tampering;
import java.util.List;
import java.util.Optional;
import java.util.function.BiFunction;
import java.util.function.LongFunction;

/** What a gateway might do wrong, and which seed notices it. */
final class PlantedFaults {
    private static final int MOST_SEEDS_TO_NOTICE = 200;

    private PlantedFaults() {}

    /** What the first seed that notices says. */
    static String noticed(LongFunction<Options> options) {
        return noticed(0, options);
    }

    /** The same from a seed on. */
    static String noticed(long first, LongFunction<Options> options) {
        for (long seed = first; seed < first + MOST_SEEDS_TO_NOTICE; seed++) {
            List<String> violations =
                    GatewaySimulation.run(seed, options.apply(seed)).violations();
            if (!violations.isEmpty()) {
                return String.join("\n", violations);
            }
        }
        throw new AssertionError("no seed of " + MOST_SEEDS_TO_NOTICE + " notices");
    }

    /** Lets a listener of the gateway's calls for completions hear something else than what comes. */
    static Tampering hearing(BiFunction<HttpCall, ReplyListener, ReplyListener> other) {
        return (calls, fleet) -> (call, listener) ->
                calls.startOnLoop(call, call.path().equals("/v1/completions") ? other.apply(call, listener) : listener);
    }

    /** Some answers end without the gateway's hearing of it. */
    static Tampering unheardEnds() {
        int[] ends = {0};
        return hearing((call, listener) -> new Hearing(listener) {
            @Override
            public void end() {
                if (ends[0]++ % 10 != 9) {
                    super.end();
                }
            }
        });
    }

    /** Calls go on although they were called off. */
    static Tampering callsNotCalledOff() {
        return (calls, fleet) -> (call, listener) -> new Calling(calls.startOnLoop(call, listener)) {
            @Override
            public void cancel() {
                if (!call.path().equals("/v1/completions")) {
                    super.cancel();
                }
            }
        };
    }

    /** One load is put on a decode node and never taken off. */
    static Tampering loadNotSettled() {
        int[] calls = {0};
        return (http, fleet) -> (call, listener) -> {
            if (calls[0]++ == 5) {
                fleet.nodes(NodeRole.DECODE).getFirst().reserve(1, 0);
            }
            return http.startOnLoop(call, listener);
        };
    }

    /** Prefill nodes are not told that nobody fetches. */
    static Tampering cancelsNotSent() {
        return (http, fleet) -> (call, listener) -> {
            Upstream upstream = http.startOnLoop(call, listener);
            if (call.path().equals("/v1/handoff/cancel")) {
                upstream.cancel();
            }
            return upstream;
        };
    }

    /** What stands behind an answer is not read: a decode node's word that it has computed the prompt. */
    static Tampering trailersNotRead() {
        return (calls, fleet) -> (call, listener) -> new Calling(calls.startOnLoop(call, listener)) {
            @Override
            public Optional<String> trailer(String name) {
                return Optional.empty();
            }
        };
    }

    /** Hears what a listener hears, and tells it. */
    static class Hearing implements ReplyListener {
        private final ReplyListener listener;

        Hearing(ReplyListener listener) {
            this.listener = listener;
        }

        @Override
        public void head(ReplyHead head) {
            listener.head(head);
        }

        @Override
        public void chunk(byte[] bytes) {
            listener.chunk(bytes);
        }

        @Override
        public void end() {
            listener.end();
        }

        @Override
        public void failed(ApiException failure) {
            listener.failed(failure);
        }
    }

    /** A call as it is. */
    private static class Calling implements Upstream {
        private final Upstream call;

        Calling(Upstream call) {
            this.call = call;
        }

        @Override
        public void cancel() {
            call.cancel();
        }

        @Override
        public void pause() {
            call.pause();
        }

        @Override
        public void resume() {
            call.resume();
        }

        @Override
        public boolean isOver() {
            return call.isOver();
        }

        @Override
        public Optional<String> trailer(String name) {
            return call.trailer(name);
        }
    }
}
