package dev.tandem.systemtest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.systemtest.process.Client;
import dev.tandem.systemtest.process.Client.Reply;
import dev.tandem.systemtest.process.Deployment;
import dev.tandem.systemtest.process.Golden;
import dev.tandem.systemtest.process.TandemProcess;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;

/** What the gateway does with real nodes beyond single prompts: several sequences, wrong nodes, nodes that nobody listens on. */
class GatewayProcessTest {
    private static Deployment deployment;

    @BeforeAll
    static void start() {
        deployment = Deployment.start(
                Golden.fable().checkpoint(), "--dtype", "float32", "--max-model-len", "512", "--max-num-seqs", "16");
    }

    @AfterAll
    static void stop() {
        deployment.close();
    }

    private static void assertSameAsOneNode(String body) {
        Reply direct = Client.postText(deployment.prefill().uri("/v1/completions"), body);
        Reply disaggregated = Client.postText(deployment.gateway().uri("/v1/completions"), body);
        assertThat(disaggregated.status()).isEqualTo(200);
        assertThat(disaggregated.header("x-tandem-disaggregated")).isEqualTo("true");
        JsonNode expected = direct.body().path("choices");
        assertThat(expected.size()).isGreaterThan(1);
        assertThat(disaggregated.body().path("choices")).isEqualTo(expected);
        for (String count : List.of("prompt_tokens", "completion_tokens", "total_tokens")) {
            assertThat(disaggregated.body().path("usage").path(count))
                    .as(count)
                    .isEqualTo(direct.body().path("usage").path(count));
        }
    }

    @Test
    void shouldAnswerAListOfPromptsAsOneNodeDoes() {
        assertSameAsOneNode("{\"model\":\"m\",\"prompt\":[\"Who are you?\",\"Once upon a time\",[5,6,7]],"
                + "\"max_tokens\":8,\"temperature\":0,\"ignore_eos\":true,\"return_token_ids\":true}");
    }

    @Test
    void shouldSampleSeveralChoicesAsOneNodeDoes() {
        assertSameAsOneNode("{\"model\":\"m\",\"prompt\":[\"Who are you?\",\"Once upon a time\"],\"n\":3,\"seed\":11,"
                + "\"max_tokens\":8,\"temperature\":1.0,\"ignore_eos\":true,\"return_token_ids\":true,\"logprobs\":1}");
    }

    @Test
    void shouldStopAtStartWhenNodesRunAnotherConnector() {
        try (TandemProcess wrong =
                proxy("--layerwise", deployment.decode().http().port())) {
            assertThat(wrong.awaitEnd(Duration.ofSeconds(60))).isNotZero();
            assertThat(wrong.log().lines().filter(line -> line.startsWith("tandem: ")))
                    .isNotEmpty()
                    .allMatch(line -> line.contains(
                            "it hands off by pull, but the gateway was started with --layerwise; leave that out"));
        }
    }

    @Test
    void shouldStopAtStartWhenAListedNodeIsOfTheOtherRole() {
        int prefillPort = deployment.prefill().http().port();
        try (TandemProcess wrong = TandemProcess.start(
                "wrong",
                List.of(
                        "proxy",
                        "--prefiller-host",
                        deployment.prefill().http().host(),
                        "--prefiller-port",
                        Integer.toString(prefillPort),
                        "--decoder-host",
                        deployment.prefill().http().host(),
                        "--decoder-port",
                        Integer.toString(prefillPort)))) {
            assertThat(wrong.awaitEnd(Duration.ofSeconds(60))).isNotZero();
            assertThat(wrong.log())
                    .contains("it is a prefill node, but listed as a decode node; is it in the wrong list?");
        }
    }

    @Test
    void shouldSayWhatItWaitsForAndGiveUpAfterTheTimeGiven() {
        int closed = TandemProcess.UNUSED_PORT;
        try (TandemProcess waiting = proxy("--node-wait=1", closed)) {
            assertThat(waiting.awaitEnd(Duration.ofSeconds(60))).isNotZero();
            assertThat(waiting.log())
                    .contains(
                            "waiting for a decode node: decode "
                                    + deployment.decode().http().host() + ":" + closed,
                            "gave up after --node-wait 1 s");
        }
    }

    private static TandemProcess proxy(String flag, int decodePort) {
        return TandemProcess.start(
                "proxy",
                List.of(
                        "proxy",
                        flag,
                        "--prefiller-hosts",
                        deployment.prefill().http().host(),
                        "--prefiller-ports",
                        Integer.toString(deployment.prefill().http().port()),
                        "--decoder-hosts",
                        deployment.decode().http().host(),
                        "--decoder-ports",
                        Integer.toString(decodePort)));
    }
}
