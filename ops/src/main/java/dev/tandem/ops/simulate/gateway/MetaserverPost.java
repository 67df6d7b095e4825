package dev.tandem.ops.simulate.gateway;

import dev.tandem.api.ApiException;
import dev.tandem.api.HttpAddress;
import dev.tandem.api.client.HttpCall;
import dev.tandem.api.client.ReplyHead;
import dev.tandem.api.client.ReplyListener;
import dev.tandem.api.client.Upstream;
import java.net.URI;
import java.util.Optional;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** A decode node's post to a metaserver, sent again while nobody is reached; whoever sent it hears of its end once, unless it calls it off. */
final class MetaserverPost {
    private static final long PAUSE_NS = 100_000_000L;
    private static final int MOST_TRIES = 3;

    private final SimulatedHttp http;
    private final HttpCall call;
    private final Consumer<Optional<String>> answered;
    private @Nullable Upstream upstream;
    private int tries;
    private boolean isOver;

    /** @param answered empty when the metaserver says that the prompt is there, else what it says */
    MetaserverPost(SimulatedHttp http, String metaserver, byte[] params, Consumer<Optional<String>> answered) {
        URI url = URI.create(metaserver);
        this.http = http;
        this.call = HttpCall.postJson(new HttpAddress(url.getHost(), url.getPort()), url.getPath(), params);
        this.answered = answered;
    }

    void send() {
        if (isOver) {
            return;
        }
        tries++;
        upstream = http.startOnLoop(call, new ReplyListener() {
            private int status;

            @Override
            public void head(ReplyHead head) {
                status = head.status();
            }

            @Override
            public void chunk(byte[] bytes) {
                // what it says in words is for the log
            }

            @Override
            public void end() {
                over(status == 200 ? Optional.empty() : Optional.of("status " + status));
            }

            @Override
            public void failed(ApiException failure) {
                if (failure.kind() == ApiException.Kind.CONNECT && tries < MOST_TRIES) {
                    http.host().after(PAUSE_NS, "metaserver again", MetaserverPost.this::send);
                } else {
                    over(Optional.of(String.valueOf(failure.getMessage())));
                }
            }
        });
    }

    /** Calls it off where it has not ended. */
    void end(String why) {
        Upstream running = upstream;
        if (running != null) {
            running.cancel();
        }
        over(Optional.of(why));
    }

    private void over(Optional<String> refusal) {
        if (!isOver) {
            isOver = true;
            answered.accept(refusal);
        }
    }
}
