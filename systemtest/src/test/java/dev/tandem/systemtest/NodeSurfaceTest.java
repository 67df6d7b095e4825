package dev.tandem.systemtest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.systemtest.process.Client;
import dev.tandem.systemtest.process.Client.Reply;
import dev.tandem.systemtest.process.Deployment;
import dev.tandem.systemtest.process.TandemProcess;
import dev.tandem.systemtest.process.WarmNode;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** The endpoints and fields of a node that vLLM's clients, proxies and probes use. */
class NodeSurfaceTest {
    private static WarmNode node;

    @BeforeAll
    static void start() {
        node = Deployment.aggregated(
                TandemProcess.ROOT.resolve("models/tandem-fable"), "--max-model-len", "512", "--max-num-seqs", "8");
    }

    @AfterAll
    static void stop() {
        node.close();
    }

    private static Reply post(String path, String body) {
        return Client.postText(node.uri(path), body);
    }

    private static String completion(String further) {
        return "{\"model\":\"m\",\"prompt\":\"Who are you?\",\"temperature\":0,\"max_tokens\":40" + further + "}";
    }

    @Test
    void shouldAnswerProbes() {
        assertThat(Client.get(node.uri("/health")).status()).isEqualTo(200);
        assertThat(Client.get(node.uri("/ping")).status()).isEqualTo(200);
        assertThat(Client.get(node.uri("/version")).body().path("version").asString(""))
                .isNotEmpty();
        assertThat(Client.get(node.uri("/load")).body().path("server_load").asInt(-1))
                .isZero();
        assertThat(Client.get(node.uri("/nothing")).status()).isEqualTo(404);
        assertThat(Client.get(node.uri("/v1/completions")).status()).isEqualTo(405);
    }

    @Test
    void shouldTokenizeAndBack() {
        Reply tokens = post("/tokenize", "{\"prompt\":\"Who are you?\",\"return_token_strs\":true}");
        assertThat(tokens.body().path("count").asInt(0)).isEqualTo(4);
        assertThat(tokens.body().path("max_model_len").asInt(0)).isEqualTo(512);
        assertThat(tokens.body().path("token_strs").size()).isEqualTo(4);
        Reply text = post("/detokenize", "{\"tokens\":" + tokens.body().path("tokens") + "}");
        assertThat(text.body().path("prompt").asString("")).isEqualTo("Who are you?");
        Reply chat = post(
                "/tokenize", "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Hi\"}]}]}");
        assertThat(chat.body().path("tokens").path(0).asInt(0)).isEqualTo(4094);
        assertThat(post("/detokenize", "{\"tokens\":[70000]}").status()).isEqualTo(400);
    }

    @Test
    void shouldTakeListsOfPromptsAndSeveralChoices() {
        Reply reply = post(
                "/v1/completions",
                "{\"model\":\"m\",\"prompt\":[\"Who are you?\",[5,6,7]],\"n\":2,\"max_tokens\":5,\"temperature\":0}");
        JsonNode choices = reply.body().path("choices");
        assertThat(choices.size()).isEqualTo(4);
        assertThat(choices.path(3).path("index").asInt(-1)).isEqualTo(3);
        assertThat(choices.path(0).path("text")).isEqualTo(choices.path(1).path("text"));
        assertThat(reply.body().path("usage").path("prompt_tokens").asInt(0)).isEqualTo(7);
    }

    @Test
    void shouldStopAtStopStringsWithoutLeaking() {
        Reply reply = post("/v1/completions", completion(",\"stop\":[\"very small\"]"));
        JsonNode choice = reply.body().path("choices").path(0);
        assertThat(choice.path("text").asString("")).endsWith("I am Tandem Fable, a ");
        assertThat(choice.path("finish_reason").asString("")).isEqualTo("stop");
        assertThat(choice.path("stop_reason").asString("")).isEqualTo("very small");
        String included = post(
                        "/v1/completions", completion(",\"stop\":\"very small\",\"include_stop_str_in_output\":true"))
                .body()
                .path("choices")
                .path(0)
                .path("text")
                .asString("");
        assertThat(included).endsWith("a very small");
    }

    @Test
    void shouldStreamPiecesThatMakeTheWholeText() {
        String whole = post("/v1/completions", completion(""))
                .body()
                .path("choices")
                .path(0)
                .path("text")
                .asString("");
        String events = post(
                        "/v1/completions", completion(",\"stream\":true,\"stream_options\":{\"include_usage\":true}"))
                .body()
                .asString("");
        var text = new StringBuilder();
        var usages = new ArrayList<JsonNode>();
        List<String> data = events.lines()
                .filter(line -> line.startsWith("data: "))
                .map(line -> line.substring(6))
                .toList();
        assertThat(data.getLast()).isEqualTo("[DONE]");
        for (String event : data.subList(0, data.size() - 1)) {
            JsonNode chunk = JsonMapper.shared().readTree(event);
            text.append(chunk.path("choices").path(0).path("text").asString(""));
            if (chunk.path("usage").isObject()) {
                usages.add(chunk.path("usage"));
            }
        }
        assertThat(text.toString()).isEqualTo(whole);
        assertThat(usages)
                .singleElement()
                .satisfies(usage ->
                        assertThat(usage.path("completion_tokens").asInt(0)).isPositive());
    }

    @Test
    void shouldShowIdsAndLogprobsAsVllmDoes() {
        ObjectNode body = (ObjectNode) JsonMapper.shared()
                .readTree(completion(",\"logprobs\":3,\"return_token_ids\":true,\"return_tokens_as_token_ids\":true"));
        JsonNode choice = Client.post(node.uri("/v1/completions"), body)
                .body()
                .path("choices")
                .path(0);
        int tokens = choice.path("token_ids").size();
        assertThat(tokens).isPositive();
        assertThat(choice.path("prompt_token_ids").size()).isEqualTo(4);
        assertThat(choice.path("logprobs").path("tokens").size()).isEqualTo(tokens);
        assertThat(choice.path("logprobs").path("tokens").path(0).asString(""))
                .isEqualTo("token_id:" + choice.path("token_ids").path(0).asInt(0));
        assertThat(choice.path("logprobs").path("top_logprobs").path(0).size()).isGreaterThanOrEqualTo(3);
    }

    @Test
    void shouldRepeatASampledAnswerForTheSameSeedOnly() {
        String seeded = ",\"temperature\":1.0,\"ignore_eos\":true,\"seed\":";
        String first = text(completion(seeded + "7").replace("\"temperature\":0,", ""));
        assertThat(text(completion(seeded + "7").replace("\"temperature\":0,", "")))
                .isEqualTo(first);
        assertThat(text(completion(seeded + "8").replace("\"temperature\":0,", "")))
                .isNotEqualTo(first);
    }

    private static String text(String body) {
        return post("/v1/completions", body)
                .body()
                .path("choices")
                .path(0)
                .path("text")
                .asString("");
    }

    @Test
    void shouldCountCachedTokens() {
        String prompt = "\"prompt\":\"" + "Once upon a time there lived a red fox. ".repeat(8) + "\"";
        String body = "{\"model\":\"m\"," + prompt + ",\"max_tokens\":2}";
        post("/v1/completions", body);
        int cached = post("/v1/completions", body)
                .body()
                .path("usage")
                .path("prompt_tokens_details")
                .path("cached_tokens")
                .asInt(0);
        assertThat(cached).isGreaterThanOrEqualTo(32);
    }

    @Test
    void shouldNameTheFieldOfEveryMistake() {
        assertThat(param("{\"model\":\"m\"}")).isEqualTo("prompt");
        assertThat(param(completion(",\"top_p\":1.5"))).isEqualTo("top_p");
        assertThat(param(completion(",\"n\":0"))).isEqualTo("n");
        assertThat(param(completion(",\"logprobs\":90"))).isEqualTo("logprobs");
        assertThat(param(completion(",\"echo\":true"))).isEqualTo("echo");
        assertThat(param(completion(",\"stream_options\":{}"))).isEqualTo("stream_options");
        assertThat(param(completion(",\"logit_bias\":{\"x\":1}"))).isEqualTo("logit_bias");
        assertThat(param(completion(",\"kv_transfer_params\":{\"do_remote_decode\":true}")))
                .isEqualTo("kv_transfer_params");
        assertThat(param(completion(",\"min_p\":1" + "0".repeat(400)))).isEqualTo("min_p");
        assertThat(param("{\"model\":\"m\",\"prompt\":" + java.util.Collections.nCopies(600, "[5]") + ",\"n\":2}"))
                .isEqualTo("prompt");
        assertThat(param("{\"model\":\"m\",\"prompt\":[99999]}")).isEqualTo("prompt");
        assertThat(param("{\"model\":\"m\",\"prompt\":\"a\",\"max_tokens\":600}"))
                .isEqualTo("max_tokens");
    }

    private static String param(String body) {
        Reply reply = post("/v1/completions", body);
        assertThat(reply.status()).as(body + " -> " + reply.body()).isEqualTo(400);
        return reply.body().path("error").path("param").asString("");
    }

    @Test
    void shouldExportVllmsMetrics() {
        post("/v1/completions", completion(""));
        String page = Client.get(node.uri("/metrics")).body().asString("");
        assertThat(page)
                .contains(
                        "vllm:num_requests_running{",
                        "vllm:kv_cache_usage_perc{",
                        "vllm:generation_tokens_total{",
                        "vllm:request_success_total{",
                        "vllm:time_to_first_token_seconds_bucket{",
                        "vllm:prefix_cache_hits_total{");
        assertThat(Client.metric(node, "vllm:generation_tokens_total")).isPositive();
    }
}
