package dev.tandem.node.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.api.HttpAddress;
import dev.tandem.api.ThreadDeaths;
import dev.tandem.api.access.ServerAccess;
import dev.tandem.api.client.HttpCall;
import dev.tandem.api.client.HttpClient;
import dev.tandem.api.client.HttpClientConfig;
import dev.tandem.api.client.HttpReply;
import dev.tandem.checkpoint.Checkpoint;
import dev.tandem.counter.Counters;
import dev.tandem.engine.EngineStatus;
import dev.tandem.engine.Replica;
import dev.tandem.engine.cluster.ClusterCounter;
import dev.tandem.engine.cluster.ReplicaSet;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.Request;
import dev.tandem.engine.request.TokenEvent;
import dev.tandem.engine.request.TokenStream;
import dev.tandem.node.flags.ServeFlags;
import dev.tandem.text.Tokenizer;
import dev.tandem.trust.PeerTrust;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.json.JsonMapper;

/** The endpoints over real HTTP, before a rank that the test plays. */
@Timeout(60)
class NodeHttpTest {
    private static final Path MODEL = Path.of(System.getProperty("tandem.root"), "models", "tandem-fable");
    private static final Duration DEADLINE = Duration.ofSeconds(20);

    private final ScriptedReplica replica = new ScriptedReplica();
    private final Checkpoint checkpoint = Checkpoint.open(MODEL);
    private final Tokenizer tokenizer = Tokenizer.openFolder(MODEL);
    private final HttpClient client = HttpClient.start(HttpClientConfig.DEFAULT);
    private NodeHttp server;

    @BeforeEach
    void start() {
        var flags = ServeFlags.parse(List.of(
                MODEL.toString(),
                "--host",
                "127.0.0.1",
                "--port",
                "0",
                "--kv-transfer-config",
                "{\"kv_connector\":\"MooncakeConnectorV1\",\"kv_role\":\"kv_producer\",\"kv_port\":\"30000\"}"));
        var model = new ServedModel(
                List.of("fable"),
                checkpoint.config(),
                tokenizer,
                new ServedModel.Conversations(tokenizer.chatTemplate(), "no template"),
                new ServedModel.Limits(256, 5, false, 0));
        var counters = new Counters<>(ClusterCounter.class);
        var replicas = new ReplicaSet(1, 0, counters);
        replicas.add(0, replica, "here");
        var peers = new HandoffPeers(List.of(), PeerTrust.everybody(), Set.of(), Set.of());
        server = NodeHttp.start(flags, ServerAccess.OPEN, peers, model, replicas, List::of, counters, Optional.empty());
    }

    @AfterEach
    void close() {
        client.close();
        server.close();
        tokenizer.close();
        checkpoint.close();
    }

    private HttpReply post(String path, String body, String requestId) {
        HttpCall call = HttpCall.postJson(
                new HttpAddress("127.0.0.1", server.port()), path, body.getBytes(StandardCharsets.UTF_8));
        return client.send(call.withHeader("X-Request-Id", requestId), DEADLINE);
    }

    @Test
    void shouldNameADeadThreadOnHealth() throws InterruptedException {
        var address = new HttpAddress("127.0.0.1", server.port());
        Thread.UncaughtExceptionHandler before = Thread.getDefaultUncaughtExceptionHandler();
        Thread.setDefaultUncaughtExceptionHandler(null);
        try {
            ThreadDeaths.listen();
            assertThat(client.send(HttpCall.get(address, "/health"), DEADLINE).status())
                    .isEqualTo(200);
            Thread dying = Thread.ofPlatform().name("somebody's").start(() -> {
                throw new IllegalStateException("on purpose");
            });
            dying.join();
            HttpReply reply = client.send(HttpCall.get(address, "/health"), DEADLINE);
            assertThat(reply.status()).isEqualTo(503);
            assertThat(new String(reply.body(), StandardCharsets.UTF_8)).contains("thread somebody's died");
        } finally {
            Thread.setDefaultUncaughtExceptionHandler(before);
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "/v1/completions|\"prompt\":\"Once upon a time\"",
                "/v1/chat/completions|\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]"
            })
    void shouldCancelTheLeaseUnderTheIdThatItWasLentUnder(String path, String prompt) throws Exception {
        String params = ",\"kv_transfer_params\":{\"do_remote_decode\":true}}";
        assertThat(post(path, "{" + prompt + ",\"max_tokens\":1" + params, "req-7.a")
                        .status())
                .isEqualTo(200);
        Request lent = replica.requests.poll(20, TimeUnit.SECONDS);
        assertThat(lent.handoff()).isInstanceOf(HandoffRole.Lend.class);

        assertThat(post("/v1/handoff/cancel", "{\"request_ids\":[\"req-6\",\"req-7.a\"]}", "other")
                        .status())
                .isEqualTo(200);
        assertThat(replica.cancelled).contains(lent.id());

        replica.cancelled.clear();
        assertThat(post("/v1/handoff/cancel", "{\"request_id\":\"req-7.a\"}", "a gateway of the last release")
                        .status())
                .isEqualTo(200);
        assertThat(replica.cancelled).contains(lent.id());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "/v1/completions|\"prompt\":\"Once upon a time\"",
                "/v1/chat/completions|\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]"
            })
    void shouldStreamWhatJacksonWouldWrite(String path, String prompt) {
        int[] ids = tokenizer.encode("a \"fox\" and a crow\\ \n", false);
        for (String options : List.of(
                "",
                ",\"stream_options\":{\"include_usage\":true,\"continuous_usage_stats\":true}",
                ",\"return_token_ids\":true")) {
            replica.tokens = ids;
            String reply = post(path, "{" + prompt + ",\"max_tokens\":40,\"stream\":true" + options + "}", "r")
                    .text();
            String[] events = reply.split("\n\n", -1);
            assertThat(events.length).isGreaterThan(ids.length);
            assertThat(events[events.length - 2]).isEqualTo("data: [DONE]");
            for (int i = 0; i < events.length - 2; i++) {
                String json = events[i].substring("data: ".length());
                assertThat(JsonMapper.shared().readTree(json).toString()).isEqualTo(json);
            }
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "/tokenize|\"prompt\":\"TEXT\"|prompt",
                "/v1/completions|\"prompt\":[\"a\",\"TEXT\"]|prompt",
                "/v1/chat/completions|\"messages\":[{\"role\":\"user\",\"content\":\"TEXT\"}]|messages"
            })
    void shouldRefuseTextsLongerThanAnyPrompt(String path, String fields, String field) {
        HttpReply reply = post(path, "{" + fields.replace("TEXT", " ".repeat(20_000)) + "}", "r");
        assertThat(reply.status()).isEqualTo(400);
        assertThat(reply.text())
                .contains("\"" + field + " has 20")
                .contains(" characters, more than any prompt of 256 tokens has");
        assertThat(replica.requests).isEmpty();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "\"max_completion_tokens\":9000|max_completion_tokens 9000 exceeds |max_completion_tokens",
                "\"max_tokens\":9000|max_tokens 9000 exceeds |max_tokens",
                "\"max_completion_tokens\":1,\"min_tokens\":2|min_tokens 2 exceeds max_completion_tokens 1|min_tokens",
                "\"logprobs\":true,\"top_logprobs\":6|\"top_logprobs 6 exceeds --max-logprobs 5|top_logprobs"
            })
    void shouldCallFieldsWhatTheClientCalledThem(String fields, String message, String field) {
        HttpReply reply = post(
                "/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]," + fields + "}", "r");
        assertThat(reply.status()).isEqualTo(400);
        assertThat(reply.text()).contains(message, "\"param\":\"" + field + "\"");
    }

    @Test
    void shouldRefuseConversationsLongerThanTheTokenizerTakes() {
        String content = "a".repeat(2 * tokenizer.maxTextLength());
        HttpReply reply = post(
                "/v1/chat/completions", "{\"messages\":[{\"role\":\"user\",\"content\":\"" + content + "\"}]}", "r");
        assertThat(reply.status()).isEqualTo(400);
        assertThat(reply.text()).contains("messages and the template's other variables have ");
    }

    @Test
    void shouldRefuseIdsThatStandForMoreTextThanAReplyHolds() {
        int longest = 0;
        for (int id = 0; id < tokenizer.vocabularySize(); id++) {
            longest = tokenizer.tokenBytes(id).length > tokenizer.tokenBytes(longest).length ? id : longest;
        }
        int count = (8 << 20) / tokenizer.tokenBytes(longest).length + 1;
        String ids = (longest + ",").repeat(count - 1) + longest;
        HttpReply reply = post("/detokenize", "{\"tokens\":[" + ids + "]}", "r");
        assertThat(reply.status()).isEqualTo(400);
        assertThat(reply.text()).contains("tokens stand for ").contains(" bytes of text, more than 8388608");
    }

    @Test
    void shouldRefuseStopStringsThatEachTokenWouldBeComparedWithAtLength() {
        String stop = "a".repeat(5000);
        HttpReply reply = post("/v1/completions", "{\"prompt\":\"a\",\"stop\":[\"b\",\"" + stop + "\"]}", "r");
        assertThat(reply.status()).isEqualTo(400);
        assertThat(reply.text()).contains("stop has a string of 5000 characters, more than 4096");
    }

    @Test
    void shouldRefuseToRepeatALongPromptInEachOfManyChoices() {
        String ids = "5,".repeat(99_999) + "5";
        HttpReply reply = post("/v1/completions", "{\"prompt\":[" + ids + "],\"n\":64,\"return_token_ids\":true}", "r");
        assertThat(reply.status()).isEqualTo(400);
        assertThat(reply.text())
                .contains("return_token_ids with n 64 asks for 6400000 ids of prompts, more than 4194304");
    }

    /** Answers every request with the same tokens. */
    private static final class ScriptedReplica implements Replica {
        final BlockingQueue<Request> requests = new LinkedBlockingQueue<>();
        final BlockingQueue<String> cancelled = new LinkedBlockingQueue<>();
        volatile int[] tokens = {1};

        @Override
        public TokenStream submit(Request request) {
            requests.add(request);
            Deque<TokenEvent> events = new ArrayDeque<>();
            for (int id : tokens) {
                events.add(new TokenEvent.Token(id, Optional.empty()));
            }
            events.add(new TokenEvent.Finished(
                    TokenEvent.FinishReason.LENGTH,
                    OptionalInt.empty(),
                    new TokenEvent.Usage(
                            request.promptTokenIds().length,
                            tokens.length,
                            0,
                            TokenEvent.HandoffUsage.NONE,
                            new TokenEvent.Times(1, 2, 3)),
                    Optional.empty()));
            return new TokenStream() {
                @Override
                public TokenEvent next(Duration timeout) {
                    return events.removeFirst();
                }

                @Override
                public void close() {}

                @Override
                public void stop() {}
            };
        }

        @Override
        public void cancelLease(String requestId) {
            cancelled.add(requestId);
        }

        @Override
        public EngineStatus status() {
            return new EngineStatus(
                    Optional.empty(), new EngineStatus.Load(0, 0, 0, 0), new EngineStatus.Blocks(1, 1, 0, 0), Map.of());
        }
    }
}
