package dev.tandem.engine;

import static dev.tandem.engine.EngineFixture.await;
import static dev.tandem.engine.EngineFixture.read;
import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.engine.EngineFixture.Outcome;
import dev.tandem.engine.ExchangeNode.Ranks;
import dev.tandem.engine.ExchangeNode.Setup;
import dev.tandem.engine.GoldenFile.Prompt;
import dev.tandem.engine.handoff.HandoffConfig.Connector;
import dev.tandem.engine.handoff.HandoffConfig.Role;
import dev.tandem.engine.request.EngineException.Kind;
import dev.tandem.engine.request.HandoffParams;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.TokenStream;
import dev.tandem.transfer.TransferCounter;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * DeepSeek-V3.2's three caches (latents, rotary keys, index keys) between engines of every shape, with all sockets between them real:
 * every rank holds them whole, so any one of P's ranks can give them to any of D's.
 */
@Timeout(300)
@Tag("long")
class LatentExchangeTest {
    private static final Path CHECKPOINT = GoldenFile.FOLDER.resolve("deepseek-v3.2");
    private static final List<Prompt> PROMPTS = GoldenFile.prompts(CHECKPOINT.resolve("golden/golden.json"));
    private static final int TOKENS = 8;

    /** In each of 3 layers 64 values of the latent, 16 of the rotary key and 32 of the index key. */
    private static final long TOKEN_BYTES = 3 * (64 + 16 + 32) * Float.BYTES;

    /** So slow that a transfer of the longest prompt is under way for half a minute. */
    private static final long SLOW = 16_000;

    private final Metaserver metaserver = new Metaserver();

    @ParameterizedTest(name = "{0}: P tp {1}, D dp {2} x tp {3}, blocks of {4}")
    @CsvSource({
        "PULL, 16, 1, 16, 16",
        "PULL, 16, 1, 4, 32",
        "PULL, 4, 1, 16, 8",
        "PULL, 16, 16, 1, 16",
        "LAYERWISE, 16, 1, 16, 16",
        "LAYERWISE, 16, 1, 4, 32",
        "LAYERWISE, 4, 1, 16, 8",
        "LAYERWISE, 16, 16, 1, 16"
    })
    void shouldGiveGoldenTokens(
            Connector connector, int prefillSize, int decodeReplicas, int decodeSize, int decodeBlockSize)
            throws InterruptedException {
        Setup decodeSetup = decode(connector)
                .withRanks(new Ranks(decodeReplicas, decodeSize))
                .withBlockSize(decodeBlockSize)
                .withoutCache();
        try (var prefill = new ExchangeNode(CHECKPOINT, prefill(connector).withTpSize(prefillSize));
                var decode = new ExchangeNode(CHECKPOINT, decodeSetup, metaserver)) {
            metaserver.prefill = Optional.of(prefill);
            List<Prompt> prompts = prompts(Math.max(4, decodeReplicas));
            var streams = new ArrayList<TokenStream>();
            for (int i = 0; i < prompts.size(); i++) {
                streams.add(exchange(connector, prefill, decode, i % decodeReplicas, prompts.get(i)));
            }
            long tokens = 0;
            for (int i = 0; i < prompts.size(); i++) {
                assertHandedOver(read(streams.get(i)), prompts.get(i), 0);
                tokens += prompts.get(i).tokenIds().length;
            }
            decode.awaitAllFree();
            prefill.awaitAllFree();
            assertThat(decode.count(EngineCounter.HANDOFF_TRANSFERS)).isEqualTo(prompts.size());
            assertThat(decode.count(EngineCounter.HANDOFF_BYTES))
                    .as("each rank of D gets the whole of them, once")
                    .isEqualTo(tokens * TOKEN_BYTES * decodeSize);
        }
    }

    @ParameterizedTest
    @EnumSource
    void shouldLeaveOutWhatTheDecodeNodeHasCached(Connector connector) throws InterruptedException {
        Prompt prompt = first(PROMPTS.getLast(), "r");
        try (var prefill = new ExchangeNode(CHECKPOINT, prefill(connector).withTpSize(4));
                var decode = new ExchangeNode(
                        CHECKPOINT, decode(connector).withTpSize(2).withBlockSize(8), metaserver)) {
            metaserver.prefill = Optional.of(prefill);
            var beginning = new Prompt(
                    "begin", Arrays.copyOf(prompt.tokenIds(), 50), List.of(1), prompt.topLogits(), prompt.tolerance());
            read(decode.submit("begin", beginning, new HandoffRole.None()));

            assertHandedOver(read(exchange(connector, prefill, decode, 0, prompt)), prompt, 48);

            assertThat(decode.count(EngineCounter.HANDOFF_BYTES))
                    .isEqualTo((prompt.tokenIds().length - 48) * TOKEN_BYTES * 2);
            decode.awaitAllFree();
            prefill.awaitAllFree();
        }
    }

    @Test
    void shouldComputeThePromptWhenThePrefillNodeDiedBeforeTheRead() throws InterruptedException {
        Prompt prompt = first(PROMPTS.getLast(), "r");
        try (var decode = new ExchangeNode(CHECKPOINT, decode(Connector.PULL).withTpSize(4))) {
            HandoffRole role;
            try (var prefill =
                    new ExchangeNode(CHECKPOINT, prefill(Connector.PULL).withTpSize(2))) {
                role = lend(prefill, prompt);
            }
            assertRecomputed(read(decode.submit(prompt.id(), prompt, role)), prompt);
            decode.awaitAllFree();
        }
    }

    @Test
    void shouldComputeThePromptWhenThePrefillNodeDiesInTheMiddleOfTheRead() throws InterruptedException {
        Prompt prompt = first(PROMPTS.getLast(), "r");
        try (var decode = new ExchangeNode(CHECKPOINT, decode(Connector.PULL).withTpSize(4))) {
            TokenStream stream;
            try (var prefill = new ExchangeNode(
                    CHECKPOINT, prefill(Connector.PULL).withTpSize(2).withPace(SLOW))) {
                stream = decode.submit(prompt.id(), prompt, lend(prefill, prompt));
                await(() -> prefill.transferred(TransferCounter.SERVED_REQUESTS) > 0);
            }
            assertRecomputed(read(stream), prompt);
            decode.awaitAllFree();
        }
    }

    @Test
    void shouldFreeThePrefillNodesBlocksWhenTheDecodeNodeDiesInTheMiddleOfTheRead() throws InterruptedException {
        Prompt prompt = first(PROMPTS.getLast(), "r");
        try (var prefill = new ExchangeNode(
                CHECKPOINT, prefill(Connector.PULL).withTpSize(2).withPace(SLOW))) {
            try (var decode =
                    new ExchangeNode(CHECKPOINT, decode(Connector.PULL).withTpSize(4))) {
                decode.submit(prompt.id(), prompt, lend(prefill, prompt));
                await(() -> prefill.transferred(TransferCounter.SERVED_REQUESTS) > 0);
            }
            prefill.awaitAllFree();
            assertThat(prefill.count(EngineCounter.LEASES_RELEASED)).isOne();
        }
    }

    @Test
    void shouldFailOnlyThatPushWhenTheDecodeNodeDiesInTheMiddle() throws InterruptedException {
        Prompt prompt = first(PROMPTS.getLast(), "r");
        Prompt small = first(PROMPTS.get(1), "small");
        metaserver.expect(prompt);
        try (var prefill = new ExchangeNode(
                CHECKPOINT, prefill(Connector.LAYERWISE).withTpSize(4).withPace(SLOW))) {
            TokenStream pushing;
            try (var decode =
                    new ExchangeNode(CHECKPOINT, decode(Connector.LAYERWISE).withTpSize(2), metaserver)) {
                decode.submit(prompt.id(), prompt, new HandoffRole.Receive(Metaserver.URL));
                pushing = prefill.submit(prompt.id(), prompt, metaserver.asked.take());
                await(() -> decode.transferred(TransferCounter.SERVED_REQUESTS) > 0);
            }
            assertThat(read(pushing).failure().kind()).isEqualTo(Kind.KV_LOST);
            prefill.awaitAllFree();
            metaserver.prefill = Optional.of(prefill);
            try (var decode =
                    new ExchangeNode(CHECKPOINT, decode(Connector.LAYERWISE).withTpSize(2), metaserver)) {
                assertHandedOver(read(exchange(Connector.LAYERWISE, prefill, decode, 0, small)), small, 0);
            }
            prefill.awaitAllFree();
        }
    }

    @Test
    void shouldComputeThePromptWhenThePrefillNodeDiesInTheMiddleOfThePush() throws InterruptedException {
        Prompt prompt = first(PROMPTS.getLast(), "r");
        try (var decode =
                new ExchangeNode(CHECKPOINT, decode(Connector.LAYERWISE).withTpSize(2), metaserver)) {
            TokenStream stream;
            try (var prefill = new ExchangeNode(
                    CHECKPOINT, prefill(Connector.LAYERWISE).withTpSize(4).withPace(SLOW))) {
                metaserver.prefill = Optional.of(prefill);
                stream = exchange(Connector.LAYERWISE, prefill, decode, 0, prompt);
                await(() -> decode.transferred(TransferCounter.SERVED_REQUESTS) > 0);
            }
            assertRecomputed(read(stream), prompt);
            decode.awaitAllFree();
        }
    }

    @Test
    void shouldComputeThePromptWhenTheLeaseEndedBeforeTheRead() throws InterruptedException {
        Prompt prompt = first(PROMPTS.getLast(), "r");
        Setup setup = prefill(Connector.PULL).withTpSize(2).withLease(Duration.ofMillis(50));
        try (var prefill = new ExchangeNode(CHECKPOINT, setup);
                var decode = new ExchangeNode(CHECKPOINT, decode(Connector.PULL).withTpSize(4))) {
            HandoffRole late = lend(prefill, prompt);
            prefill.awaitAllFree();
            assertThat(prefill.count(EngineCounter.LEASES_EXPIRED)).isOne();
            assertRecomputed(read(decode.submit(prompt.id(), prompt, late)), prompt);
            decode.awaitAllFree();
        }
    }

    /** The link is too slow for long prompts and the patience too short, so transfers end anywhere: all that is as it would be without. */
    @ParameterizedTest
    @CsvSource({"PULL, 7", "PULL, 64", "LAYERWISE, 7", "LAYERWISE, 64"})
    void shouldGiveGoldenTokensWhereverTransfersRunOutOfTime(Connector connector, int batchedTokens)
            throws InterruptedException {
        Setup prefillSetup = prefill(connector)
                .withBatchedTokens(batchedTokens)
                .withFetchTimeout(Duration.ofMillis(20))
                .withLease(Duration.ofMillis(20))
                .withPace(1_000_000);
        Setup decodeSetup = decode(connector)
                .withBatchedTokens(batchedTokens)
                .withFetchTimeout(Duration.ofMillis(20))
                .withBlockSize(8);
        try (var prefill = new ExchangeNode(CHECKPOINT, prefillSetup);
                var decode = new ExchangeNode(CHECKPOINT, decodeSetup.withoutCache(), metaserver)) {
            metaserver.prefill = Optional.of(prefill);
            var streams = new ArrayList<TokenStream>();
            List<Prompt> prompts = prompts(2 * PROMPTS.size());
            for (Prompt prompt : prompts) {
                streams.add(exchange(connector, prefill, decode, 0, prompt));
            }
            for (int i = 0; i < prompts.size(); i++) {
                assertThat(read(streams.get(i)).tokens())
                        .as(prompts.get(i).id())
                        .isEqualTo(prompts.get(i).generated());
            }
            decode.awaitAllFree();
            prefill.awaitAllFree();
            assertThat(decode.count(EngineCounter.HANDOFF_RECOMPUTED)).isPositive();
        }
    }

    private static Setup prefill(Connector connector) {
        return Setup.of(Role.PRODUCER, connector);
    }

    private static Setup decode(Connector connector) {
        return Setup.of(Role.CONSUMER, connector);
    }

    /** Of more than one token, again and again, each with an id of its own. */
    private static List<Prompt> prompts(int count) {
        var prompts = new ArrayList<Prompt>();
        for (int i = 0; i < count; i++) {
            prompts.add(first(PROMPTS.get(1 + i % (PROMPTS.size() - 1)), "r" + i));
        }
        return prompts;
    }

    /** A golden prompt that asks for its first tokens only. */
    private static Prompt first(Prompt whole, String id) {
        return new Prompt(
                id,
                whole.tokenIds(),
                whole.generated().subList(0, TOKENS),
                Arrays.copyOf(whole.topLogits(), TOKENS),
                whole.tolerance());
    }

    /** What a gateway would do with one request. */
    private TokenStream exchange(
            Connector connector, ExchangeNode prefill, ExchangeNode decode, int replica, Prompt prompt)
            throws InterruptedException {
        metaserver.expect(prompt);
        HandoffRole role = switch (connector) {
            case PULL -> lend(prefill, prompt);
            case LAYERWISE -> new HandoffRole.Receive(Metaserver.URL);
        };
        return decode.submit(replica, prompt.id(), prompt, role);
    }

    /** The role that a decode node reads from the {@code kv_transfer_params} of a prefill node's answer. */
    private static HandoffRole lend(ExchangeNode prefill, Prompt prompt) throws InterruptedException {
        Outcome lent = read(prefill.submit(prompt.id(), prompt, new HandoffRole.Lend()));
        assertThat(lent.tokens()).containsExactly(prompt.generated().getFirst());
        return HandoffParams.parse(lent.finished().ticket().orElseThrow().toParams());
    }

    private static void assertHandedOver(Outcome outcome, Prompt prompt, int cached) {
        assertThat(outcome.tokens()).as(prompt.id()).isEqualTo(prompt.generated());
        var handoff = outcome.finished().usage().handoff();
        assertThat(handoff.recomputeReason()).isEmpty();
        assertThat(handoff.remoteTokens()).isEqualTo(prompt.tokenIds().length - 1 - cached);
        assertThat(outcome.finished().usage().cachedTokens()).isEqualTo(cached);
    }

    private static void assertRecomputed(Outcome outcome, Prompt prompt) {
        assertThat(outcome.tokens()).as(prompt.id()).isEqualTo(prompt.generated());
        assertThat(outcome.finished().usage().handoff().recomputeReason()).isPresent();
    }
}
