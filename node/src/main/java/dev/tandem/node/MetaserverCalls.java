package dev.tandem.node;

import dev.tandem.api.ApiException;
import dev.tandem.api.HttpAddress;
import dev.tandem.api.OneLine;
import dev.tandem.api.StrictJson;
import dev.tandem.api.access.TlsFiles;
import dev.tandem.api.client.ClientExchange;
import dev.tandem.api.client.HttpCall;
import dev.tandem.api.client.HttpClient;
import dev.tandem.api.client.HttpClientConfig;
import dev.tandem.api.client.HttpReply;
import dev.tandem.api.openai.ApiError;
import dev.tandem.api.openai.PlainJson;
import dev.tandem.engine.handoff.Invitation;
import dev.tandem.trust.PeerTrust;
import dev.tandem.trust.PostProof;
import java.net.InetAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.Semaphore;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Posts invitations to metaservers: one virtual thread per invitation, at most three tries while no connection is established, and one
 * deadline for all. The answer comes when the prefill node has answered, so the silence before it is as long as a prefill; a metaserver
 * that does not answer anything else either is given up. Thread-safe.
 */
final class MetaserverCalls implements Invitation.Messenger, AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(MetaserverCalls.class);
    private static final int TRIES = 3;
    private static final Duration PAUSE = Duration.ofMillis(100);
    private static final int MAX_REPLY_BYTES = 64 << 10;
    private static final int MAX_SHOWN = 300;

    private final HttpClient client;
    private final MetaserverWatch watch;
    private final Semaphore places;
    private final PeerTrust trust;

    /**
     * @param mostCalls invitations that may be under way; one more is refused
     * @param timeout longest time from a post to its answer
     * @param silence how long a metaserver may answer nothing at all
     * @param tls what is shown to metaservers that speak TLS, and whom of them is trusted
     * @param trust whose answers are believed
     */
    MetaserverCalls(int mostCalls, Duration timeout, Duration silence, TlsFiles tls, PeerTrust trust) {
        this.trust = trust;
        this.places = new Semaphore(mostCalls);
        var settings = new HttpClientConfig(
                HttpClientConfig.DEFAULT.connectTimeout(),
                timeout,
                timeout,
                HttpClientConfig.DEFAULT.idleKeepAlive(),
                mostCalls + 1, // and one for the question of its health
                MAX_REPLY_BYTES);
        this.client = HttpClient.start(settings, tls);
        this.watch = new MetaserverWatch(client, silence);
    }

    @Override
    public Runnable send(Invitation invitation, Consumer<Optional<String>> answered) {
        if (!places.tryAcquire()) {
            answered.accept(Optional.of("as many invitations are under way as may be"));
            return () -> {};
        }
        var place = new Place();
        Thread.ofVirtual().name("metaserver").start(() -> {
            Optional<String> refusal;
            try {
                refusal = call(invitation, place);
            } catch (RuntimeException e) { // whoever waits must hear of it
                LOG.error("invitation to {} failed", invitation.metaserver(), e);
                refusal = Optional.of(e.toString());
            } finally {
                place.leave();
            }
            answered.accept(refusal);
        });
        return place::callOff;
    }

    /** The place of one invitation. Its own thread carries it out, the engine loop calls it off: either holds the lock briefly. */
    private final class Place {
        private final ReentrantLock lock = new ReentrantLock();
        private Optional<ClientExchange> underWay = Optional.empty();
        private boolean isLeft;

        /** The next invitation of the engine loop finds the place free. */
        void callOff() {
            leave().ifPresent(ClientExchange::cancel);
        }

        /** Gives the place back, once, and tells what was under way in it. */
        Optional<ClientExchange> leave() {
            lock.lock();
            try {
                if (!isLeft) {
                    isLeft = true;
                    places.release();
                }
                return underWay;
            } finally {
                lock.unlock();
            }
        }

        HttpReply send(HttpCall call, Duration left) {
            try (ClientExchange exchange = client.start(call)) {
                occupy(exchange);
                return watch.reply(call.address(), exchange, left);
            }
        }

        private void occupy(ClientExchange exchange) {
            lock.lock();
            try {
                if (isLeft) {
                    throw new ApiException(ApiException.Kind.CANCELLED, "the invitation was called off");
                }
                underWay = Optional.of(exchange);
            } finally {
                lock.unlock();
            }
        }
    }

    private Optional<String> call(Invitation invitation, Place place) {
        URI url = URI.create(invitation.metaserver());
        String query = url.getRawQuery() == null ? "" : "?" + url.getRawQuery();
        HttpCall call = HttpCall.postJson(
                address(url),
                (url.getRawPath().isEmpty() ? "/" : url.getRawPath()) + query,
                StrictJson.bytes(PlainJson.tree(invitation.params())));
        long endNs = System.nanoTime() + invitation.timeout().toNanos();
        for (int attempt = 1; ; attempt++) {
            Duration left = Duration.ofNanos(Math.max(1, endNs - System.nanoTime()));
            try {
                return refusal(send(call, place, left));
            } catch (ApiException e) {
                boolean mayHaveArrived = e.kind() != ApiException.Kind.CONNECT;
                if (mayHaveArrived || attempt == TRIES) {
                    return Optional.of(e.kind() + " after " + attempt + " tries: " + e.getMessage());
                }
                pause();
            }
        }
    }

    private static HttpAddress address(URI url) {
        boolean isSecure = "https".equalsIgnoreCase(url.getScheme());
        int usualPort = isSecure ? 443 : 80;
        return new HttpAddress(url.getHost(), url.getPort() < 0 ? usualPort : url.getPort(), isSecure);
    }

    /** One try: each has a proof of its own. */
    private HttpReply send(HttpCall call, Place place, Duration left) {
        var proof = new PostProof(trust.secret(), call.body());
        HttpCall proved = call;
        for (var header : proof.headers().entrySet()) {
            proved = proved.withHeader(header.getKey(), header.getValue());
        }
        HttpReply reply = place.send(proved, left);
        if (mustProve(call.address().host())) {
            proof.objection(reply::header, "" + call.address()).ifPresent(why -> {
                String said = reply.status() == 200 ? "" : "; it says, unproven: " + said(reply);
                throw new ApiException(ApiException.Kind.PROTOCOL, reply.status() + ": " + why + said);
            });
        }
        return reply;
    }

    private boolean mustProve(String host) {
        try {
            return trust.mustProve(InetAddress.getByName(host));
        } catch (UnknownHostException e) {
            return trust.secret().isSet(); // it was known when it was called
        }
    }

    private static Optional<String> refusal(HttpReply reply) {
        if (reply.status() == 200) {
            return Optional.empty();
        }
        return Optional.of("status " + reply.status() + ": " + said(reply));
    }

    /** What a metaserver says, as one line: the message of an error as OpenAI has it, else the whole text. */
    private static String said(HttpReply reply) {
        String said = message(reply).orElseGet(reply::text).strip();
        String shown = said.length() <= MAX_SHOWN ? said : said.substring(0, MAX_SHOWN) + "…";
        return OneLine.of(shown);
    }

    private static Optional<String> message(HttpReply reply) {
        try {
            return StrictJson.object(reply.body()).path("error").path("message").asStringOpt();
        } catch (ApiError notJson) {
            return Optional.empty();
        }
    }

    private static void pause() {
        try {
            Thread.sleep(PAUSE);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Calls off what is under way. */
    @Override
    public void close() {
        client.close();
    }
}
