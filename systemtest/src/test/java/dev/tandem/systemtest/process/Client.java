package dev.tandem.systemtest.process;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Collectors;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** A plain HTTP client for tests: JSON in, JSON out. */
public final class Client {
    private static final HttpClient HTTP =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    private static final Duration LIMIT = Duration.ofSeconds(300);

    private Client() {}

    /** A status and a body. */
    public record Reply(int status, JsonNode body, HttpResponse<?> response) {
        public String header(String name) {
            return response.headers().firstValue(name).orElse("");
        }

        public List<Integer> tokenIds() {
            return ids(body.path("choices").path(0).path("token_ids"));
        }
    }

    public static HttpRequest request(URI uri, String body) {
        return HttpRequest.newBuilder(uri)
                .header("Content-Type", "application/json")
                .timeout(LIMIT)
                .POST(HttpRequest.BodyPublishers.ofString(body))
                .build();
    }

    public static Reply post(URI uri, JsonNode body) {
        return postText(uri, body.toString());
    }

    public static Reply postText(URI uri, String body) {
        return postAsync(uri, body).join();
    }

    public static CompletableFuture<Reply> postAsync(URI uri, String body) {
        return HTTP.sendAsync(request(uri, body), HttpResponse.BodyHandlers.ofString())
                .thenApply(Client::reply);
    }

    /** Sends a request and hands out the body as it comes. */
    public static HttpResponse<InputStream> open(URI uri, JsonNode body) {
        try {
            return HTTP.send(request(uri, body.toString()), HttpResponse.BodyHandlers.ofInputStream());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError(e);
        }
    }

    public static Reply get(URI uri) {
        try {
            return reply(HTTP.send(
                    HttpRequest.newBuilder(uri).timeout(LIMIT).build(), HttpResponse.BodyHandlers.ofString()));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError(e);
        }
    }

    private static Reply reply(HttpResponse<String> response) {
        String text = response.body();
        JsonNode body =
                text.startsWith("{") ? JsonMapper.shared().readTree(text) : JsonNodeFactory.instance.stringNode(text);
        return new Reply(response.statusCode(), body, response);
    }

    /** A greedy completion of token ids that shows its own ids and ends at {@code maxTokens} only. */
    public static ObjectNode greedy(List<Integer> prompt, int maxTokens) {
        ObjectNode body = JsonNodeFactory.instance.objectNode();
        body.put("model", Deployment.MODEL);
        ArrayNode ids = body.putArray("prompt");
        prompt.forEach(ids::add);
        body.put("max_tokens", maxTokens)
                .put("temperature", 0)
                .put("ignore_eos", true)
                .put("return_token_ids", true);
        return body;
    }

    public static List<Integer> ids(JsonNode array) {
        var ids = new ArrayList<Integer>();
        array.forEach(id -> ids.add(id.intValue()));
        return ids;
    }

    /** The value of one sample on a metrics page, summed over its labels. */
    public static double metric(Server server, String name) {
        String page = get(server.uri("/metrics")).body().asString("");
        return page.lines()
                .filter(line -> line.startsWith(name + "{") || line.startsWith(name + " "))
                .mapToDouble(Client::value)
                .sum();
    }

    /**
     * Requests that each data-parallel rank of a node has ended, by its label, when there is one of each: the counts of a headless node's
     * ranks come with the next state that it pushes.
     */
    public static Map<String, Double> successesOfAllRanks(URI metrics) {
        var last = new AtomicReference<Map<String, Double>>(Map.of());
        Await.until(
                Duration.ofSeconds(10),
                () -> {
                    last.set(successes(metrics));
                    return !last.get().isEmpty() && !last.get().containsValue(0.0);
                },
                () -> "a rank has ended no request: " + last);
        return last.get();
    }

    private static Map<String, Double> successes(URI metrics) {
        return get(metrics)
                .body()
                .asString("")
                .lines()
                .filter(line -> line.startsWith("vllm:request_success"))
                .collect(Collectors.toMap(
                        line -> line.replaceAll(".*engine=\"(\\d+)\".*", "$1"), Client::value, Double::sum));
    }

    private static double value(String line) {
        return Double.parseDouble(line.substring(line.lastIndexOf(' ') + 1));
    }
}
