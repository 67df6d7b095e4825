package dev.tandem.engine;

import static dev.tandem.engine.EngineFixture.await;
import static dev.tandem.engine.EngineFixture.read;
import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.engine.EngineFixture.Outcome;
import dev.tandem.engine.ExchangeNode.Setup;
import dev.tandem.engine.GoldenFile.Prompt;
import dev.tandem.engine.handoff.HandoffConfig.Connector;
import dev.tandem.engine.handoff.HandoffConfig.Role;
import dev.tandem.engine.request.EngineException.Kind;
import dev.tandem.engine.request.HandoffParams;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.TokenStream;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Two engines that push layer by layer, with all sockets between them real; only the gateway's metaserver is played. */
@Timeout(300)
@Tag("long")
class EnginePushExchangeTest {
    private static final Setup PREFILL = Setup.of(Role.PRODUCER, Connector.LAYERWISE);
    private static final Setup DECODE = Setup.of(Role.CONSUMER, Connector.LAYERWISE);
    private static final Path LLAMA = GoldenFile.FOLDER.resolve("llama");

    private final Metaserver metaserver = new Metaserver();

    @ParameterizedTest
    @CsvSource({"llama, 1, 1, 16", "qwen3, 2, 1, 16", "qwen3, 1, 2, 8", "qwen3-moe, 8, 1, 16", "qwen3-moe, 2, 8, 32"})
    void shouldGiveGoldenTokens(String model, int prefillSize, int decodeSize, int decodeBlockSize)
            throws InterruptedException {
        Path path = GoldenFile.FOLDER.resolve(model);
        List<Prompt> prompts = GoldenFile.prompts(path.resolve("golden/golden.json"));
        try (var prefill = new ExchangeNode(path, PREFILL.withTpSize(prefillSize));
                var decode = new ExchangeNode(
                        path,
                        DECODE.withTpSize(decodeSize)
                                .withBlockSize(decodeBlockSize)
                                .withoutCache(),
                        metaserver)) {
            metaserver.prefill = Optional.of(prefill);
            var streams = new ArrayList<TokenStream>();
            for (Prompt prompt : prompts) {
                metaserver.expect(prompt);
                streams.add(decode.submit(prompt.id(), prompt, new HandoffRole.Receive(Metaserver.URL)));
            }
            for (int i = 0; i < prompts.size(); i++) {
                Outcome outcome = read(streams.get(i));
                assertThat(outcome.tokens())
                        .as(prompts.get(i).id())
                        .isEqualTo(prompts.get(i).generated());
                var handoff = outcome.finished().usage().handoff();
                assertThat(handoff.recomputeReason()).isEmpty();
                assertThat(handoff.remoteTokens()).isEqualTo(prompts.get(i).tokenIds().length - 1);
            }
            decode.awaitAllFree();
            prefill.awaitAllFree();
            long pushed = prompts.stream().filter(p -> p.tokenIds().length > 1).count();
            assertThat(prefill.count(EngineCounter.PUSHES)).isEqualTo(pushed);
            assertThat(decode.count(EngineCounter.HANDOFF_TRANSFERS)).isEqualTo(pushed);
            assertThat(prefill.count(EngineCounter.PUSH_BYTES)).isEqualTo(decode.count(EngineCounter.HANDOFF_BYTES));
        }
    }

    @Test
    void shouldNotPushWhatTheDecodeNodeHasCached() throws InterruptedException {
        Prompt prompt = longest();
        try (var prefill = new ExchangeNode(LLAMA, PREFILL);
                var decode = new ExchangeNode(LLAMA, DECODE.withBlockSize(8), metaserver)) {
            metaserver.prefill = Optional.of(prefill);
            metaserver.expect(prompt);
            var beginning = new Prompt(
                    "begin", Arrays.copyOf(prompt.tokenIds(), 50), List.of(1), prompt.topLogits(), prompt.tolerance());
            read(decode.submit("begin", beginning, new HandoffRole.None()));

            Outcome outcome = read(decode.submit(prompt.id(), prompt, new HandoffRole.Receive(Metaserver.URL)));

            assertThat(outcome.tokens()).isEqualTo(prompt.generated());
            assertThat(outcome.finished().usage().cachedTokens()).isEqualTo(48);
            assertThat(outcome.finished().usage().handoff().remoteTokens())
                    .isEqualTo(prompt.tokenIds().length - 1 - 48);
            decode.awaitAllFree();
            prefill.awaitAllFree();
        }
    }

    @Test
    void shouldPushWhatThePrefillNodeHadCached() throws InterruptedException {
        Prompt prompt = longest();
        try (var prefill = new ExchangeNode(LLAMA, PREFILL);
                var decode = new ExchangeNode(LLAMA, DECODE.withoutCache(), metaserver)) {
            metaserver.prefill = Optional.of(prefill);
            metaserver.expect(prompt);
            for (int round = 0; round < 2; round++) {
                Outcome outcome = read(decode.submit(prompt.id(), prompt, new HandoffRole.Receive(Metaserver.URL)));
                assertThat(outcome.tokens()).isEqualTo(prompt.generated());
                assertThat(outcome.finished().usage().handoff().recomputeReason())
                        .isEmpty();
                prefill.awaitAllFree();
            }
            assertThat(prefill.count(EngineCounter.PREFIX_CACHE_HITS)).isPositive();
        }
    }

    @Test
    void shouldRecomputeAtOnceWhenTheMetaserverKnowsNothingOfTheRequest() throws InterruptedException {
        Prompt prompt = longest();
        try (var decode = new ExchangeNode(LLAMA, DECODE, metaserver)) {
            Outcome outcome = read(decode.submit(prompt.id(), prompt, new HandoffRole.Receive(Metaserver.URL)));

            assertThat(outcome.tokens()).isEqualTo(prompt.generated());
            assertThat(outcome.finished().usage().handoff().recomputeReason().orElseThrow())
                    .contains("404");
            assertThat(decode.count(EngineCounter.HANDOFF_RECOMPUTED)).isOne();
            decode.awaitAllFree();
        }
    }

    @Test
    void shouldFailWhenNobodyPushesAndThePolicyIsToFail() throws InterruptedException {
        Prompt prompt = longest();
        metaserver.expect(prompt);
        Setup setup = DECODE.failing().withLease(Duration.ofMillis(200));
        try (var decode = new ExchangeNode(LLAMA, setup, metaserver)) {
            Outcome outcome = read(decode.submit(prompt.id(), prompt, new HandoffRole.Receive(Metaserver.URL)));

            assertThat(outcome.failure().kind()).isEqualTo(Kind.KV_LOST);
            assertThat(outcome.failure()).hasMessageContaining("nothing of the KV was pushed for 200 ms");
            decode.awaitAllFree();
        }
    }

    @Test
    void shouldFailOnlyThatRequestOfThePrefillNodeWhenTheDecodeNodeIsGone() throws Exception {
        Prompt prompt = longest();
        metaserver.expect(prompt);
        try (var prefill = new ExchangeNode(LLAMA, PREFILL)) {
            HandoffRole push;
            try (var decode = new ExchangeNode(LLAMA, DECODE, metaserver)) {
                decode.submit(prompt.id(), prompt, new HandoffRole.Receive(Metaserver.URL));
                push = metaserver.asked.take();
            }

            Outcome outcome = read(prefill.submit(prompt.id(), prompt, push));

            assertThat(outcome.failure().kind()).isEqualTo(Kind.KV_LOST);
            prefill.awaitAllFree();
            try (var decode = new ExchangeNode(LLAMA, DECODE, metaserver)) {
                metaserver.prefill = Optional.of(prefill);
                Outcome next = read(decode.submit(prompt.id(), prompt, new HandoffRole.Receive(Metaserver.URL)));
                assertThat(next.tokens()).isEqualTo(prompt.generated());
                assertThat(next.finished().usage().handoff().recomputeReason()).isEmpty();
            }
            prefill.awaitAllFree();
        }
    }

    @Test
    void shouldFreeBothSidesWhenTheClientGoes() throws Exception {
        Prompt prompt = longest();
        metaserver.expect(prompt);
        try (var prefill = new ExchangeNode(LLAMA, PREFILL);
                var decode = new ExchangeNode(LLAMA, DECODE, metaserver)) {
            TokenStream stream = decode.submit(prompt.id(), prompt, new HandoffRole.Receive(Metaserver.URL));
            HandoffRole push = metaserver.asked.take();
            stream.close();
            decode.awaitAllFree();

            Outcome late = read(prefill.submit(prompt.id(), prompt, push));

            assertThat(late.failure().kind()).isEqualTo(Kind.KV_LOST);
            prefill.awaitAllFree();
            decode.awaitAllFree();
        }
    }

    @Test
    void shouldTellTheDecodeNodeAtOnceWhenThePrefillNodesClientGoes() throws Exception {
        Prompt prompt = longest();
        metaserver.expect(prompt);
        try (var prefill = new ExchangeNode(LLAMA, PREFILL);
                var decode = new ExchangeNode(LLAMA, DECODE, metaserver)) {
            TokenStream waiting = decode.submit(prompt.id(), prompt, new HandoffRole.Receive(Metaserver.URL));
            TokenStream pushing = prefill.submit(prompt.id(), prompt, metaserver.asked.take());
            pushing.close();

            Outcome outcome = read(waiting);

            assertThat(outcome.tokens()).as("recomputed, or it was all there").isEqualTo(prompt.generated());
            prefill.awaitAllFree();
            decode.awaitAllFree();
        }
    }

    @Test
    void shouldServeOthersWhileADecodeNodeDoesNotAnswer() throws Exception {
        Prompt prompt = longest();
        metaserver.expect(prompt);
        try (var silent = new java.net.ServerSocket(0, 50, java.net.InetAddress.getByName("127.0.0.1"));
                var prefill = new ExchangeNode(LLAMA, PREFILL);
                var decode = new ExchangeNode(LLAMA, DECODE, metaserver)) {
            metaserver.prefill = Optional.of(prefill);
            var target = Map.of(
                    "do_remote_decode",
                    true,
                    "remote_block_ids",
                    List.of(1, 2),
                    "remote_engine_id",
                    "nobody",
                    "remote_host",
                    "127.0.0.1",
                    "remote_port",
                    silent.getLocalPort());
            var small = new Prompt(
                    "stuck", Arrays.copyOf(prompt.tokenIds(), 30), List.of(1), prompt.topLogits(), prompt.tolerance());
            TokenStream stuck = prefill.submit("stuck", small, HandoffParams.parse(target));

            Outcome outcome = read(decode.submit(prompt.id(), prompt, new HandoffRole.Receive(Metaserver.URL)));

            assertThat(outcome.tokens()).isEqualTo(prompt.generated());
            assertThat(outcome.finished().usage().handoff().recomputeReason()).isEmpty();
            assertThat(read(stuck).failure()).hasMessageContaining("no answer from");
            prefill.awaitAllFree();
            await(() -> decode.replicas.getFirst().status().load().awaitingKv() == 0);
        }
    }

    private static Prompt longest() {
        return GoldenFile.prompts(LLAMA.resolve("golden/golden.json")).getLast();
    }
}
