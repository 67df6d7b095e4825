package dev.tandem.bench.soak;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Asks one server, each time on a connection of its own, and judges its answers. Thread-safe. */
final class Asker implements AutoCloseable {
    private final ScheduledThreadPoolExecutor clock = new ScheduledThreadPoolExecutor(1);
    private final URI completions;
    private final Duration deadline;

    /**
     * What came of a request.
     *
     * @param tokens that arrived
     * @param hasBegun whether the head of an answer had come
     * @param detail for the report: an error's text, or what is wrong
     */
    record Answer(Outcome outcome, List<Integer> tokens, boolean hasBegun, String detail) {}

    /** @param deadline of each request, from its connection to the end of its answer */
    Asker(String hostAndPort, Duration deadline) {
        this.completions = URI.create("http://" + hostAndPort + "/v1/completions");
        this.deadline = deadline;
        clock.setRemoveOnCancelPolicy(true);
    }

    /** Tokens of a quiet server. @throws IllegalStateException when it does not answer well */
    List<Integer> tokens(Question question) throws InterruptedException {
        try (HttpClient http = client()) {
            HttpResponse<String> reply = http.send(request(question, false), HttpResponse.BodyHandlers.ofString());
            if (reply.statusCode() == 200) {
                return ids(JsonMapper.shared().readTree(reply.body()));
            }
            throw new IllegalStateException(completions + " answers " + reply.statusCode() + ": " + reply.body());
        } catch (IOException e) {
            throw new IllegalStateException(completions + " does not answer", e);
        }
    }

    /**
     * Asks and compares with the tokens of the quiet server.
     *
     * @param leavesAfter when the client goes away, where it does
     */
    Answer ask(Question question, List<Integer> expected, boolean isStream, Optional<Duration> leavesAfter)
            throws InterruptedException {
        var ended = new AtomicReference<>(Outcome.BROKEN); // why the connection was closed here, if it was
        HttpClient http = client();
        Future<?> late = closeLater(http, deadline, Outcome.LATE, ended);
        Optional<Future<?>> left = leavesAfter.map(after -> closeLater(http, after, Outcome.LEFT, ended));
        try {
            Answer answer = ask(http, question, expected, isStream);
            boolean isOurs = answer.outcome() == Outcome.BROKEN;
            return isOurs
                    ? new Answer(
                            Objects.requireNonNull(ended.get()), answer.tokens(), answer.hasBegun(), answer.detail())
                    : answer;
        } finally {
            late.cancel(false);
            left.ifPresent(leaving -> leaving.cancel(false));
            http.shutdownNow();
        }
    }

    private static HttpClient client() {
        return HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    }

    private Future<?> closeLater(HttpClient http, Duration after, Outcome why, AtomicReference<Outcome> ended) {
        return clock.schedule(
                () -> {
                    ended.compareAndSet(Outcome.BROKEN, why);
                    http.shutdownNow();
                },
                after.toMillis(),
                TimeUnit.MILLISECONDS);
    }

    private Answer ask(HttpClient http, Question question, List<Integer> expected, boolean isStream)
            throws InterruptedException {
        var tokens = new ArrayList<Integer>();
        boolean hasBegun = false;
        try {
            HttpResponse<InputStream> reply =
                    http.send(request(question, isStream), HttpResponse.BodyHandlers.ofInputStream());
            hasBegun = true;
            try (InputStream body = reply.body()) {
                if (reply.statusCode() != 200) {
                    return failed(reply.statusCode(), new String(body.readAllBytes(), StandardCharsets.UTF_8));
                }
                return isStream ? streamed(body, expected, tokens) : whole(body, expected);
            }
        } catch (IOException e) {
            return isBeginning(tokens, expected)
                    ? new Answer(Outcome.BROKEN, tokens, hasBegun, String.valueOf(e))
                    : wrong(tokens, expected);
        } catch (JacksonException e) {
            return new Answer(Outcome.WRONG, tokens, true, "no JSON: " + e.getOriginalMessage());
        }
    }

    private static Answer failed(int status, String body) {
        boolean hasMessage = body.contains("\"message\"");
        return new Answer(hasMessage ? Outcome.ERROR : Outcome.WRONG, List.of(), true, status + " " + body);
    }

    private static Answer whole(InputStream body, List<Integer> expected) throws IOException {
        List<Integer> tokens = ids(JsonMapper.shared().readTree(body.readAllBytes()));
        return tokens.equals(expected) ? new Answer(Outcome.EQUAL, tokens, true, "") : wrong(tokens, expected);
    }

    private static Answer streamed(InputStream body, List<Integer> expected, List<Integer> tokens) throws IOException {
        var lines = new BufferedReader(new InputStreamReader(body, StandardCharsets.UTF_8));
        String error = "";
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            if (line.equals("data: [DONE]") && error.isEmpty()) {
                return tokens.equals(expected) ? new Answer(Outcome.EQUAL, tokens, true, "") : wrong(tokens, expected);
            }
            if (line.startsWith("data: {")) {
                JsonNode event = JsonMapper.shared().readTree(line.substring("data: ".length()));
                if (event.has("error")) {
                    error = event.path("error").toString();
                }
                tokens.addAll(ids(event));
            }
        }
        if (!isBeginning(tokens, expected)) {
            return wrong(tokens, expected);
        }
        return error.isEmpty()
                ? new Answer(Outcome.BROKEN, tokens, true, "the stream ended without [DONE] or an error")
                : new Answer(Outcome.CUT, tokens, true, error);
    }

    private static boolean isBeginning(List<Integer> tokens, List<Integer> expected) {
        return tokens.size() <= expected.size() && tokens.equals(expected.subList(0, tokens.size()));
    }

    private static Answer wrong(List<Integer> tokens, List<Integer> expected) {
        return new Answer(Outcome.WRONG, tokens, true, "got " + tokens + " where " + expected + " were right");
    }

    private static List<Integer> ids(JsonNode reply) {
        var ids = new ArrayList<Integer>();
        reply.path("choices").path(0).path("token_ids").forEach(id -> ids.add(id.intValue()));
        return ids;
    }

    private HttpRequest request(Question question, boolean isStream) {
        return HttpRequest.newBuilder(completions)
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(question.body(isStream)))
                .build();
    }

    @Override
    public void close() {
        clock.shutdownNow();
    }
}
