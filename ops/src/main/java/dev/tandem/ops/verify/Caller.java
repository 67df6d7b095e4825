package dev.tandem.ops.verify;

import dev.tandem.api.access.TlsMaterial;
import dev.tandem.ops.verify.Reply.Line;
import java.io.IOException;
import java.net.ConnectException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpTimeoutException;
import java.nio.channels.UnresolvedAddressException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Flow;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import javax.net.ssl.SSLException;
import tools.jackson.databind.node.ObjectNode;

/**
 * Sends one request at a time and waits for the whole answer, no longer than the deadline and no more than 16 MiB. A failure of the
 * network or the server is part of the reply. Used by one thread.
 */
final class Caller implements AutoCloseable {
    private static final long MOST_REPLY_BYTES = 16L << 20;
    private static final Duration CONNECT_LIMIT = Duration.ofSeconds(5);

    private final HttpClient http;
    private final Target front;
    private final Credentials credentials;
    private final Duration deadline;

    /**
     * @param front what is verified: whoever else is asked is a node behind it
     * @param deadline from sending to the end of the answer
     * @throws dev.tandem.api.ApiException UNUSABLE_FILE when the credentials' files cannot be used
     */
    Caller(Target front, Credentials credentials, Duration deadline) {
        this.front = front;
        this.credentials = credentials;
        this.deadline = deadline;
        this.http = HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1)
                .sslContext(TlsMaterial.read(credentials.tls()).context())
                .connectTimeout(CONNECT_LIMIT)
                .build();
    }

    private Optional<String> key(Target target) {
        boolean isFront = target.authority().equals(front.authority());
        return isFront ? credentials.apiKey() : credentials.nodeKey().or(credentials::apiKey);
    }

    Reply get(Target target, String path) throws InterruptedException {
        return send(target, HttpRequest.newBuilder(target.uri(path)).GET());
    }

    Reply post(Target target, String path, ObjectNode body) throws InterruptedException {
        return send(
                target,
                HttpRequest.newBuilder(target.uri(path))
                        .header("Content-Type", "application/json")
                        .POST(HttpRequest.BodyPublishers.ofString(body.toString())));
    }

    private Reply send(Target target, HttpRequest.Builder request) throws InterruptedException {
        key(target).ifPresent(key -> request.header("Authorization", "Bearer " + key));
        var arrivals = new Arrivals();
        CompletableFuture<HttpResponse<Void>> sent = http.sendAsync(
                request.build(),
                HttpResponse.BodyHandlers.limiting(
                        HttpResponse.BodyHandlers.fromLineSubscriber(arrivals), MOST_REPLY_BYTES));
        try {
            HttpResponse<Void> response = sent.get(deadline.toNanos(), TimeUnit.NANOSECONDS);
            return new Reply(response.statusCode(), headers(response), arrivals.lines(), Optional.empty());
        } catch (TimeoutException e) {
            sent.cancel(true);
            return Reply.failed(
                    target.authority() + " has not answered in whole within " + deadline.toSeconds() + " s", List.of());
        } catch (ExecutionException e) {
            Throwable cause = e.getCause();
            return Reply.failed(describe(target, cause == null ? e : cause), List.of());
        }
    }

    private static Map<String, String> headers(HttpResponse<Void> response) {
        var headers = new HashMap<String, String>();
        response.headers()
                .map()
                .forEach((name, values) -> headers.put(name.toLowerCase(Locale.ROOT), values.getFirst()));
        return headers;
    }

    private static String describe(Target target, Throwable cause) {
        return switch (cause) {
            case HttpTimeoutException late ->
                target.authority() + " takes no connection within " + CONNECT_LIMIT.toSeconds() + " s";
            case ConnectException refused
            when refused.getCause() instanceof UnresolvedAddressException ->
                target.authority() + " is not a known host";
            case SSLException untrusted ->
                target.authority() + " and this side agree on no TLS: " + untrusted.getMessage();
            case ConnectException refused -> {
                String message = refused.getMessage();
                yield target.authority() + " takes no connections: "
                        + (message == null ? "nobody listens there" : message);
            }
            case IOException broken -> target.authority() + " broke off: " + broken;
            default -> throw new IllegalStateException("a request to " + target + " ended in an odd way", cause);
        };
    }

    @Override
    public void close() {
        http.shutdownNow();
        http.close();
    }

    /** Notes when each line came. Written by the HTTP client's threads, one after another; read when the reply is complete. */
    private static final class Arrivals implements Flow.Subscriber<String> {
        private final long sentNs = System.nanoTime();
        private final List<Line> lines = new ArrayList<>();

        List<Line> lines() {
            return lines;
        }

        @Override
        public void onSubscribe(Flow.Subscription subscription) {
            subscription.request(Long.MAX_VALUE); // bounded in bytes by the handler around it
        }

        @Override
        public void onNext(String text) {
            lines.add(new Line(System.nanoTime() - sentNs, text));
        }

        @Override
        public void onError(Throwable cause) {
            // the reply's future ends with the same cause
        }

        @Override
        public void onComplete() {
            // the reply's future completes then
        }
    }
}
