package dev.tandem.systemtest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.systemtest.process.Await;
import dev.tandem.systemtest.process.Client;
import dev.tandem.systemtest.process.Client.Reply;
import dev.tandem.systemtest.process.Deployment;
import dev.tandem.systemtest.process.Golden;
import dev.tandem.systemtest.process.Golden.Prompt;
import dev.tandem.systemtest.process.Server;
import dev.tandem.systemtest.process.TandemProcess;
import dev.tandem.systemtest.process.WarmNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.Socket;
import java.net.SocketException;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * What goes wrong on the way, with real processes: each case ends in a clear error or a correct answer, all blocks come free, and the
 * nodes serve again.
 */
class FailureTest {
    private static final Golden GOLDEN = Golden.folder("qwen3");
    private static final Prompt PROMPT = GOLDEN.prompts().get(4);
    private static final Duration SOON = Duration.ofSeconds(60);
    private static final int LEASE_SECONDS = 2;
    private static final int MAX_SEQUENCES = 8;
    private static final int READERS = 40;
    private static final int TOKENS_OF_READER = 1_500;

    private static Deployment deployment;

    @BeforeAll
    static void start() {
        deployment = Deployment.start(
                GOLDEN.checkpoint(),
                Map.of("VLLM_NIXL_ABORT_REQUEST_TIMEOUT", Integer.toString(LEASE_SECONDS)),
                "--dtype",
                "float32",
                "--max-model-len",
                "16384",
                "--max-num-batched-tokens",
                "64",
                "--max-num-seqs",
                Integer.toString(MAX_SEQUENCES));
    }

    @AfterAll
    static void stop() {
        deployment.close();
    }

    /** Whatever a case did, afterwards the deployment answers rightly and no block is held. */
    @AfterEach
    void shouldServeAgainWithAllBlocksFree() {
        Await.until(SOON, () -> complete(PROMPT).status() == 200, () -> "not serving again");
        Reply reply = complete(PROMPT);
        assertThat(reply.tokenIds()).isEqualTo(PROMPT.generated());
        assertThat(reply.header("x-tandem-disaggregated")).startsWith("true");
        awaitAllBlocksFree(deployment.prefill());
        awaitAllBlocksFree(deployment.decode());
    }

    private static Reply complete(Prompt prompt) {
        return Client.post(
                deployment.gateway().uri("/v1/completions"),
                Client.greedy(prompt.ids(), prompt.generated().size()));
    }

    private static void awaitAllBlocksFree(Server node) {
        Await.until(
                SOON,
                () -> Client.metric(node, "tandem:kv_blocks_free") == Client.metric(node, "tandem:kv_blocks")
                        && Client.metric(node, "tandem:kv_blocks") > 0,
                () -> "blocks are held:\n"
                        + Client.get(node.uri("/metrics")).body().asString(""));
        assertThat(Client.metric(node, "tandem:integrity_failures_total")).isZero();
    }

    private static ObjectNode withParams(ObjectNode body, JsonNode params) {
        body.set("kv_transfer_params", params);
        return body;
    }

    /** What the gateway sends a prefill node. */
    private static ObjectNode prefillRequest() {
        ObjectNode body = Client.greedy(PROMPT.ids(), 1);
        body.put("min_tokens", 1);
        body.putObject("kv_transfer_params")
                .put("do_remote_decode", true)
                .put("do_remote_prefill", false)
                .putNull("remote_engine_id")
                .putNull("remote_block_ids")
                .putNull("remote_host")
                .putNull("remote_port");
        return body;
    }

    private static JsonNode ticket() {
        Reply reply = Client.post(deployment.prefill().uri("/v1/completions"), prefillRequest());
        assertThat(reply.status()).as(reply.body().toString()).isEqualTo(200);
        JsonNode params = reply.body().path("kv_transfer_params");
        assertThat(params.path("remote_block_ids").size()).isPositive();
        return params;
    }

    private static Reply decodeWith(JsonNode params) {
        return Client.post(
                deployment.decode().uri("/v1/completions"),
                withParams(Client.greedy(PROMPT.ids(), PROMPT.generated().size()), params));
    }

    private static List<String> events(HttpResponse<InputStream> response, Runnable afterFirst) {
        var events = new ArrayList<String>();
        try (var lines = new BufferedReader(new InputStreamReader(response.body(), StandardCharsets.UTF_8))) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                if (line.startsWith("data: ")) {
                    events.add(line.substring("data: ".length()));
                    if (events.size() == 1) {
                        afterFirst.run();
                    }
                }
            }
        } catch (IOException e) {
            events.add("broken off: " + e.getMessage());
        }
        return events;
    }

    @Test
    void shouldEndAStreamWithAnErrorEventWhenTheDecodeNodeIsKilled() {
        ObjectNode body = Client.greedy(PROMPT.ids(), 12_000);
        body.put("stream", true);
        HttpResponse<InputStream> response = Client.open(deployment.gateway().uri("/v1/completions"), body);
        assertThat(response.statusCode()).isEqualTo(200);
        List<String> events = events(response, () -> deployment.decode().kill());
        assertThat(events).hasSizeGreaterThan(1);
        assertThat(events).anySatisfy(event -> assertThat(event).contains("\"error\""));
        deployment.restartDecode();
    }

    @Test
    void shouldRecomputeWhenThePrefillNodeIsKilledBetweenItsAnswerAndTheRead() {
        JsonNode params = ticket();
        deployment.prefill().kill();
        Reply reply = decodeWith(params);
        assertThat(reply.status()).as(reply.body().toString()).isEqualTo(200);
        assertThat(reply.tokenIds()).isEqualTo(PROMPT.generated());
        assertThat(reply.body().path("usage").path("tandem").path("prefill").asString(""))
                .isEqualTo("local");
        assertThat(reply.body()
                        .path("usage")
                        .path("tandem")
                        .path("recompute_reason")
                        .asString(""))
                .isNotEmpty();
        deployment.restartPrefill();
    }

    @Test
    void shouldRefuseAReadAfterTheLeaseAndRecompute() {
        JsonNode params = ticket();
        Await.until(
                SOON,
                () -> Client.metric(deployment.prefill(), "tandem:kv_blocks_lent") == 0,
                () -> "the lease does not expire");
        double failures = Client.metric(deployment.decode(), "tandem:handoff_failures_total");
        Reply reply = decodeWith(params);
        assertThat(reply.tokenIds()).isEqualTo(PROMPT.generated());
        assertThat(reply.body().path("usage").path("tandem").path("prefill").asString(""))
                .isEqualTo("local");
        assertThat(Client.metric(deployment.decode(), "tandem:handoff_failures_total"))
                .isEqualTo(failures + 1);
        assertThat(Client.metric(deployment.prefill(), "tandem:leases_expired_total"))
                .isPositive();
    }

    @Test
    void shouldFreeEverythingWhenTheClientGoesDuringALongPrefill() throws IOException {
        List<Integer> prompt = Collections.nCopies(12_000, 42);
        ObjectNode body = Client.greedy(prompt, 4);
        Socket client = send(deployment.gateway(), "127.0.0.1", body);
        Await.until(
                SOON,
                () -> Client.metric(deployment.prefill(), "vllm:num_requests_running") > 0,
                () -> "P never began");
        client.close();
        Await.until(
                SOON,
                () -> Client.metric(deployment.prefill(), "vllm:num_requests_running") == 0,
                () -> "P goes on for nobody");
        assertThat(Client.metric(deployment.decode(), "vllm:num_requests_running"))
                .isZero();
    }

    /** A greeting of ZMTP 3.0, and in place of READY a frame that says that it is -1 bytes long: 73 bytes from anybody. */
    @Test
    void shouldHandOffBehindAFrameOfNegativeLength() throws IOException {
        JsonNode ticket = ticket();
        byte[] attack = ByteBuffer.allocate(73)
                .put((byte) 0xff)
                .position(9)
                .put((byte) 0x7f)
                .put((byte) 3)
                .position(12)
                .put("NULL".getBytes(StandardCharsets.US_ASCII))
                .position(64)
                .put((byte) 2)
                .putLong(-1)
                .array();
        for (int attempt = 0; attempt < 3; attempt++) {
            try (var stranger = new Socket(
                    ticket.path("remote_host").stringValue(),
                    ticket.path("remote_port").intValue())) {
                stranger.getOutputStream().write(attack);
                stranger.getInputStream().readAllBytes();
            } catch (SocketException reset) {
                assertThat(reset).hasMessageContaining("reset"); // also an end
            }
        }
        assertThat(Client.get(deployment.prefill().uri("/health")).status()).isEqualTo(200);
        assertThat(Client.metric(deployment.prefill(), "tandem:handoff_peers_malformed_total"))
                .isEqualTo(3);
    }

    @Test
    void shouldRefuseRubbishInTransferParamsAndNameTheField() {
        ObjectNode body = Client.greedy(PROMPT.ids(), 4);
        body.putObject("kv_transfer_params")
                .put("do_remote_prefill", true)
                .put("remote_port", "none")
                .put("remote_host", 7);
        Reply direct = Client.post(deployment.decode().uri("/v1/completions"), body);
        assertThat(direct.status()).isEqualTo(400);
        assertThat(direct.body().path("error").path("param").asString("")).isEqualTo("kv_transfer_params");
        Reply dropped = Client.post(deployment.gateway().uri("/v1/completions"), body);
        assertThat(dropped.status()).isEqualTo(200);
        assertThat(dropped.tokenIds()).isEqualTo(PROMPT.generated().subList(0, 4));
    }

    @Test
    void shouldRecomputeWhenATicketPointsNowhere() {
        double undelivered = Client.metric(deployment.decode(), "tandem:handoff_done_undelivered_total");
        ObjectNode params = (ObjectNode) ticket().deepCopy();
        params.put("remote_port", TandemProcess.UNUSED_PORT);
        Reply reply = decodeWith(params);
        assertThat(reply.tokenIds()).isEqualTo(PROMPT.generated());
        assertThat(reply.body().path("usage").path("tandem").path("prefill").asString(""))
                .isEqualTo("local");
        assertThat(reply.header("x-tandem-recomputed"))
                .isEqualTo(reply.body()
                        .path("usage")
                        .path("tandem")
                        .path("recompute_reason")
                        .asString(""));
        Await.until(
                SOON,
                () -> Client.metric(deployment.decode(), "tandem:handoff_done_undelivered_total") == undelivered + 1,
                () -> "a done message that nobody took is not counted");
        assertThat(Client.metric(deployment.prefill(), "tandem:transfer_served_read_bytes_total"))
                .isPositive();
    }

    @Test
    void shouldHandOffAPromptWhoseFirstTokenHoldsAStopString() {
        ObjectNode whole = Client.greedy(PROMPT.ids(), 1);
        String first = Client.post(deployment.decode().uri("/v1/completions"), whole)
                .body()
                .path("choices")
                .path(0)
                .path("text")
                .asString("");
        ObjectNode body = Client.greedy(PROMPT.ids(), 4);
        body.putArray("stop").add(first);
        double cancelled = Client.metric(deployment.prefill(), "tandem:leases_cancelled_total");
        Reply reply = Client.post(deployment.gateway().uri("/v1/completions"), body);
        assertThat(reply.body().path("usage").path("tandem").path("prefill").asString(""))
                .as(reply.body().toString())
                .isEqualTo("remote");
        assertThat(reply.header("x-tandem-disaggregated")).isEqualTo("true");
        ObjectNode direct = prefillRequest();
        direct.putArray("stop").add(first);
        JsonNode params = Client.post(deployment.prefill().uri("/v1/completions"), direct)
                .body()
                .path("kv_transfer_params");
        assertThat(decodeWith(params)
                        .body()
                        .path("usage")
                        .path("tandem")
                        .path("prefill")
                        .asString(""))
                .isEqualTo("remote");
        assertThat(Client.metric(deployment.prefill(), "tandem:leases_cancelled_total"))
                .isEqualTo(cancelled);
    }

    /** A node that may open nothing more: no connection of the gateway, no handshake, no data, no question of a peer. */
    @ParameterizedTest
    @ValueSource(strings = {"prefill", "decode"})
    void shouldAnswerAlthoughANodeHasNoDescriptorsLeft(String role) throws IOException {
        WarmNode node = role.equals("prefill") ? deployment.prefill() : deployment.decode();
        String usual = descriptorLimit(node);
        limitDescriptors(node, "" + openDescriptors(node));
        try {
            List<CompletableFuture<Reply>> replies = Stream.generate(() -> Client.postAsync(
                            deployment.gateway().uri("/v1/completions"),
                            Client.greedy(PROMPT.ids(), PROMPT.generated().size())
                                    .toString()))
                    .limit(20)
                    .toList();
            for (CompletableFuture<Reply> reply : replies) {
                Reply answer =
                        reply.orTimeout(SOON.toSeconds(), TimeUnit.SECONDS).join();
                if (answer.status() == 200) {
                    assertThat(answer.tokenIds()).isEqualTo(PROMPT.generated());
                } else {
                    assertThat(answer.status()).as("%s", answer.body()).isBetween(502, 504);
                }
            }
        } finally {
            limitDescriptors(node, usual);
        }
        assertThat(node.isAlive()).isTrue();
        Await.until(
                SOON,
                () -> complete(PROMPT).header("x-tandem-disaggregated").startsWith("true"),
                () -> "not handed off again:\n" + node.log());
        assertThat(Client.get(node.uri("/health")).status()).isEqualTo(200);
    }

    private static int openDescriptors(WarmNode node) throws IOException {
        try (Stream<Path> open = Files.list(Path.of("/proc", Long.toString(node.pid()), "fd"))) {
            return (int) open.count();
        }
    }

    private static String descriptorLimit(WarmNode node) throws IOException {
        return Files.readAllLines(Path.of("/proc", Long.toString(node.pid()), "limits")).stream()
                .filter(line -> line.startsWith("Max open files"))
                .map(line -> line.split(" +")[3])
                .findFirst()
                .orElseThrow();
    }

    private static void limitDescriptors(WarmNode node, String most) throws IOException {
        Process prlimit = new ProcessBuilder("prlimit", "--pid", Long.toString(node.pid()), "--nofile=" + most + ":")
                .inheritIO()
                .start();
        assertThat(prlimit.onExit().orTimeout(20, TimeUnit.SECONDS).join().exitValue())
                .isZero();
    }

    /** Forty streams that nobody reads, against one short request of another address or of the same. */
    @ParameterizedTest
    @CsvSource({"gateway, 127.0.0.40", "gateway, 127.0.0.1", "decode, 127.0.0.1"})
    void shouldAnswerAShortRequestWhileManyStreamsAreNotRead(String to, String from) throws IOException {
        Server server = to.equals("gateway") ? deployment.gateway() : deployment.decode();
        double before = Client.metric(deployment.decode(), "vllm:generation_tokens_total");
        var readers = new ArrayList<Socket>();
        try {
            ObjectNode body = Client.greedy(PROMPT.ids(), TOKENS_OF_READER);
            body.put("stream", true);
            for (int i = 0; i < READERS; i++) {
                readers.add(send(server, from, body));
            }
            Await.until(
                    SOON,
                    () -> Client.metric(deployment.decode(), "vllm:num_requests_running") == MAX_SEQUENCES,
                    () -> "they do not begin");

            Reply reply = Client.post(
                    server.uri("/v1/completions"),
                    Client.greedy(PROMPT.ids(), PROMPT.generated().size()));
            assertThat(reply.tokenIds()).as("%s", reply.body()).isEqualTo(PROMPT.generated());
            double generated = Client.metric(deployment.decode(), "vllm:generation_tokens_total") - before;
            assertThat(generated).isLessThan(READERS * TOKENS_OF_READER / 4.0);
        } finally {
            for (Socket reader : readers) {
                reader.close();
            }
        }
    }

    /** Sends a request from an address of this host; its answer is not read. */
    private static Socket send(Server server, String from, ObjectNode json) throws IOException {
        var socket = new Socket(server.http().host(), server.http().port(), InetAddress.getByName(from), 0);
        byte[] body = json.toString().getBytes(StandardCharsets.UTF_8);
        String head = "POST /v1/completions HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nContent-Length: "
                + body.length + "\r\n\r\n";
        socket.getOutputStream().write(head.getBytes(StandardCharsets.US_ASCII));
        socket.getOutputStream().write(body);
        socket.getOutputStream().flush();
        return socket;
    }

    @Test
    void shouldNameThePortThatIsInUse() {
        int port = deployment.decode().http().port();
        try (TandemProcess second = TandemProcess.startAt(
                "second",
                deployment.decode().http().host(),
                port,
                List.of("serve", GOLDEN.checkpoint().toString()))) {
            assertThat(second.awaitEnd(Duration.ofSeconds(60))).isNotZero();
            assertThat(second.log().lines().filter(line -> line.startsWith("tandem: ")))
                    .singleElement()
                    .asString()
                    .contains(deployment.decode().http().host() + ":" + port);
        }
    }

    @Test
    void shouldRefuseAPromptThatIsTooLong() {
        Reply reply = Client.post(
                deployment.gateway().uri("/v1/completions"), Client.greedy(Collections.nCopies(16_384, 5), 1));
        assertThat(reply.status()).isEqualTo(400);
        assertThat(reply.body().path("error").path("message").asString("")).contains("16384");
    }

    @Test
    void shouldAnswerMalformedBodiesWithTheFieldsName() {
        var uri = deployment.gateway().uri("/v1/completions");
        assertThat(Client.postText(uri, "{").status()).isEqualTo(400);
        assertThat(Client.postText(uri, "{}").body().path("error").path("param").asString(""))
                .isEqualTo("prompt");
        Reply unsupported =
                Client.postText(uri, "{\"model\":\"m\",\"prompt\":[5],\"guided_json\":{\"type\":\"object\"}}");
        assertThat(unsupported.status()).isEqualTo(400);
        assertThat(unsupported.body().path("error").path("param").asString("")).isEqualTo("guided_json");
        assertThat(Client.postText(uri, "{\"model\":\"other\",\"prompt\":[5]}").status())
                .isEqualTo(404);
    }
}
