package dev.tandem.systemtest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.api.Loopback;
import dev.tandem.systemtest.process.Await;
import dev.tandem.systemtest.process.Client;
import dev.tandem.systemtest.process.Deployment;
import dev.tandem.systemtest.process.Golden;
import dev.tandem.systemtest.process.Golden.Prompt;
import dev.tandem.systemtest.process.Server;
import dev.tandem.systemtest.process.TandemProcess;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.node.ObjectNode;

/** Processes that are told to end: their clients hear of it, their logs tell an end and no death. */
class EndTest {
    private static final Golden GOLDEN = Golden.folder("qwen3");
    private static final Prompt PROMPT = GOLDEN.prompts().get(4);
    private static final Duration SOON = Duration.ofSeconds(120);

    private final List<TandemProcess> processes = new ArrayList<>();

    @AfterEach
    void stop() {
        processes.reversed().forEach(TandemProcess::close);
    }

    private TandemProcess node(String host, Golden model, String... further) {
        var arguments = new ArrayList<>(List.of(
                "serve",
                model.checkpoint().toString(),
                "--served-model-name",
                Deployment.MODEL,
                "--dtype",
                "float32",
                "--max-model-len",
                "16384",
                "--max-num-seqs",
                "8"));
        arguments.addAll(List.of(further));
        processes.add(TandemProcess.startAt("node", host, TandemProcess.HTTP_PORT, arguments));
        return processes.getLast();
    }

    private TandemProcess node(String role, String engineId) {
        return node(
                Loopback.next(),
                GOLDEN,
                "--kv-transfer-config",
                Deployment.transfer("MooncakeConnector", role, engineId));
    }

    private TandemProcess gateway(TandemProcess prefill, TandemProcess decode, String... flags) {
        processes.add(Deployment.startGateway(
                List.of(prefill.awaitReady().http().host()),
                List.of(decode.awaitReady().http().host()),
                flags));
        return processes.getLast().awaitReady();
    }

    private static void terminate(TandemProcess process) {
        assertThat(ProcessHandle.of(process.pid()).orElseThrow().destroy()).isTrue();
    }

    private static HttpResponse<InputStream> longStream(Server server) {
        ObjectNode body = Client.greedy(PROMPT.ids(), 15_000);
        body.put("stream", true);
        HttpResponse<InputStream> response = Client.open(server.uri("/v1/completions"), body);
        assertThat(response.statusCode()).isEqualTo(200);
        return response;
    }

    /** The last event of a stream; a stream that is cut off instead of ended fails. */
    private static String lastEvent(HttpResponse<InputStream> stream, Runnable afterFirst) {
        String last = "";
        try (var lines = new BufferedReader(new InputStreamReader(stream.body(), StandardCharsets.UTF_8))) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                if (line.startsWith("data: ")) {
                    if (last.isEmpty()) {
                        afterFirst.run();
                    }
                    last = line;
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException("cut off after " + last, e);
        }
        return last;
    }

    private static void assertOrderlyEnd(TandemProcess process) {
        process.awaitEnd(SOON);
        assertThat(process.log())
                .contains("node ends")
                .doesNotContain("died")
                .doesNotContain("Exception")
                .doesNotContain("ERROR");
    }

    @Test
    void shouldTellTheClientsOfANodeThatEndsAndLogNoDeath() {
        TandemProcess prefill = node("kv_producer", "0");
        TandemProcess decode = node("kv_consumer", "1");
        TandemProcess gateway = gateway(prefill, decode);
        ObjectNode whole = Client.greedy(PROMPT.ids(), 4);
        assertThat(Client.post(gateway.uri("/v1/completions"), whole).header("x-tandem-disaggregated"))
                .isEqualTo("true");

        assertThat(lastEvent(longStream(decode), () -> terminate(decode))).contains("\"error\"");
        assertOrderlyEnd(decode);
        assertThat(lastEvent(longStream(prefill), () -> terminate(prefill))).contains("\"error\"");
        assertOrderlyEnd(prefill);
    }

    @Test
    void shouldTellTheClientsOfAGatewayThatEnds() {
        TandemProcess prefill = node("kv_producer", "0");
        TandemProcess decode = node("kv_consumer", "1");
        TandemProcess gateway = gateway(prefill, decode, "--drain-timeout", "1");
        assertThat(lastEvent(longStream(gateway), () -> terminate(gateway)))
                .contains("\"error\"", "the gateway is stopping");
        gateway.awaitEnd(SOON);
        assertThat(gateway.log()).contains("gateway drained: answersCutShort=1");
        Await.until(
                SOON,
                () -> Client.metric(decode, "vllm:num_requests_running") == 0,
                () -> "the decode node goes on for nobody");
    }

    @Test
    void shouldEndAtOnceAtTheSecondSignal() {
        TandemProcess prefill = node("kv_producer", "0");
        TandemProcess decode = node("kv_consumer", "1");
        TandemProcess gateway = gateway(prefill, decode, "--drain-timeout", "100000");
        HttpResponse<InputStream> stream = longStream(gateway);
        terminate(gateway);
        Await.until(SOON, () -> Client.get(gateway.uri("/health")).status() == 503, () -> "the gateway does not drain");
        assertThat(gateway.isAlive()).isTrue();
        terminate(gateway);
        gateway.awaitEnd(SOON);
        assertThatThrownBy(() -> lastEvent(stream, () -> {})).hasMessageContaining("cut off");
    }

    @Test
    void shouldLetAHeadlessNodeTakeLeaveOfItsHead() {
        Golden model = Golden.folder("qwen3-moe");
        String headHost = Loopback.next();
        String[] common = {
            "--data-parallel-size",
            "2",
            "--data-parallel-size-local",
            "1",
            "--data-parallel-address",
            headHost,
            "--data-parallel-rpc-port",
            Integer.toString(TandemProcess.RPC_PORT)
        };
        TandemProcess head = node(headHost, model, common);
        TandemProcess headless = node(
                Loopback.next(),
                model,
                Stream.concat(Stream.of(common), Stream.of("--headless", "--data-parallel-start-rank", "1"))
                        .toArray(String[]::new));
        head.awaitReady();
        terminate(headless);
        assertOrderlyEnd(headless);
        Await.until(SOON, () -> head.log().contains("took leave"), head::log);
        assertThat(head.log()).doesNotContain("died").doesNotContain(" WARN ");
        Prompt prompt = model.prompts().getFirst();
        assertThat(Client.post(
                                head.uri("/v1/completions"),
                                Client.greedy(prompt.ids(), prompt.generated().size()))
                        .tokenIds())
                .isEqualTo(prompt.generated());
    }
}
