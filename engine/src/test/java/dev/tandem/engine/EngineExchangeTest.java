package dev.tandem.engine;

import static dev.tandem.engine.EngineFixture.read;
import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.engine.EngineFixture.Outcome;
import dev.tandem.engine.ExchangeNode.Setup;
import dev.tandem.engine.GoldenFile.Prompt;
import dev.tandem.engine.handoff.HandoffConfig.Connector;
import dev.tandem.engine.handoff.HandoffConfig.Role;
import dev.tandem.engine.handoff.RankTables;
import dev.tandem.engine.handoff.ranktable.RankTable;
import dev.tandem.engine.handoff.ranktable.Side;
import dev.tandem.engine.request.HandoffParams;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.engine.request.TokenStream;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Two engines, a prefill and a decode node, with all sockets between them real. */
@Timeout(300)
@Tag("long")
class EngineExchangeTest {
    private static final Setup PREFILL = Setup.of(Role.PRODUCER, Connector.PULL);
    private static final Setup DECODE = Setup.of(Role.CONSUMER, Connector.PULL);

    @ParameterizedTest
    @CsvSource(textBlock = """
                    fixtures/golden/llama,                 llama/golden
                    fixtures/golden/qwen3,                 qwen3/golden
                    fixtures/golden/qwen3-moe,             qwen3-moe/golden
                    fixtures/golden/gguf/qwen3-q8_0.gguf,  gguf/qwen3-q8_0
                    models/tandem-fable,                   tandem-fable
                    """)
    void shouldGiveGoldenTokensOverTwoNodes(String checkpoint, String golden) throws InterruptedException {
        Path path = GoldenFile.ROOT.resolve(checkpoint);
        List<Prompt> prompts =
                GoldenFile.prompts(GoldenFile.FOLDER.resolve(golden).resolve("golden.json"));
        try (var prefill = new ExchangeNode(path, PREFILL);
                var decode = new ExchangeNode(path, DECODE.withoutCache())) {
            var streams = new ArrayList<TokenStream>();
            for (Prompt prompt : prompts) {
                streams.add(prefill.submit(prompt.id(), prompt, new HandoffRole.Lend()));
            }
            for (int i = 0; i < prompts.size(); i++) {
                Outcome lent = read(streams.get(i));
                assertThat(lent.tokens())
                        .containsExactly(prompts.get(i).generated().getFirst());
                streams.set(i, decode.submit(prompts.get(i).id(), prompts.get(i), overTheWire(lent)));
            }
            for (int i = 0; i < prompts.size(); i++) {
                Outcome outcome = read(streams.get(i));
                assertThat(outcome.tokens())
                        .as(prompts.get(i).id())
                        .isEqualTo(prompts.get(i).generated());
                assertThat(outcome.finished().usage().handoff().recomputeReason())
                        .isEmpty();
                assertThat(outcome.finished().usage().handoff().remoteTokens())
                        .isEqualTo(prompts.get(i).tokenIds().length - 1);
            }
            assertThat(decode.count(EngineCounter.HANDOFF_RECOMPUTED)).isZero();
            assertThat(decode.count(EngineCounter.HANDOFF_TRANSFERS))
                    .isEqualTo(prompts.stream()
                            .filter(p -> p.tokenIds().length > 1) // one token is computed without asking anybody
                            .count());
            assertThat(decode.count(EngineCounter.PROMPT_TOKENS))
                    .isEqualTo(
                            prompts.stream().mapToLong(p -> p.tokenIds().length).sum());
            decode.awaitAllFree();
            prefill.awaitAllFree();
            assertThat(prefill.count(EngineCounter.LEASES_RELEASED)).isEqualTo(prompts.size());
        }
    }

    /** 4 KV heads and 16 query heads: with 8 ranks each KV head is held by two of them. */
    @ParameterizedTest
    @CsvSource({"8, 1", "8, 2", "4, 4", "1, 4", "2, 8"})
    void shouldGiveGoldenTokensBetweenUnequalRanks(int prefillSize, int decodeSize) throws InterruptedException {
        Path path = GoldenFile.FOLDER.resolve("qwen3-moe");
        List<Prompt> prompts = GoldenFile.prompts(path.resolve("golden/golden.json"));
        try (var prefill = new ExchangeNode(path, PREFILL.withTpSize(prefillSize));
                var decode =
                        new ExchangeNode(path, DECODE.withTpSize(decodeSize).withoutCache())) {
            for (Prompt prompt : prompts) {
                Outcome lent = read(prefill.submit(prompt.id(), prompt, new HandoffRole.Lend()));
                Outcome outcome = read(decode.submit(prompt.id(), prompt, overTheWire(lent)));
                assertThat(outcome.tokens()).as(prompt.id()).isEqualTo(prompt.generated());
                assertThat(outcome.finished().usage().handoff().recomputeReason())
                        .isEmpty();
            }
            decode.awaitAllFree();
            prefill.awaitAllFree();
            assertThat(prefill.count(EngineCounter.LEASES_RELEASED)).isEqualTo(prompts.size());
        }
    }

    /** LLMDataDistCMgrConnector: the same pull, with equal engine ids and a rank table that says who is who. */
    @ParameterizedTest
    @CsvSource({"deepseek-v3.2, 1, 1", "qwen3-moe, 2, 1", "qwen3-moe, 1, 2"})
    void shouldGiveGoldenTokensBetweenNodesOfARankTable(String model, int prefillSize, int decodeSize)
            throws InterruptedException {
        Path path = GoldenFile.FOLDER.resolve(model);
        List<Prompt> prompts = GoldenFile.prompts(path.resolve("golden/golden.json"));
        RankTable table = RankTables.of("127.0.0.1", prefillSize, "127.0.0.1", decodeSize);
        try (var prefill =
                        new ExchangeNode(path, PREFILL.withTpSize(prefillSize), RankTables.peers(table, Side.PREFILL));
                var decode = new ExchangeNode(
                        path,
                        DECODE.withTpSize(decodeSize).withoutCache().failing(),
                        RankTables.peers(table, Side.DECODE))) {
            for (Prompt prompt : prompts) {
                Outcome lent = read(prefill.submit(prompt.id(), prompt, new HandoffRole.Lend()));
                Outcome outcome = read(decode.submit(prompt.id(), prompt, overTheWire(lent)));
                assertThat(outcome.tokens()).as(prompt.id()).isEqualTo(prompt.generated());
            }
            decode.awaitAllFree();
            prefill.awaitAllFree();
            assertThat(prefill.count(EngineCounter.LEASES_RELEASED)).isEqualTo(prompts.size());
            assertThat(decode.count(EngineCounter.HANDOFF_RECOMPUTED)).isZero();
        }
    }

    @Test
    void shouldRecomputeWhenTheRankTableDoesNotNameThePrefillNode() throws InterruptedException {
        Path path = GoldenFile.FOLDER.resolve("qwen3-moe");
        Prompt prompt = longest(path);
        RankTable table = RankTables.of("127.0.0.1", 1, "127.0.0.1", 1);
        RankTable another = RankTables.of("127.0.22.13", 1, "127.0.0.1", 1);
        try (var prefill = new ExchangeNode(path, PREFILL, RankTables.peers(table, Side.PREFILL));
                var decode = new ExchangeNode(path, DECODE, RankTables.peers(another, Side.DECODE))) {
            Outcome lent = read(prefill.submit("r", prompt, new HandoffRole.Lend()));

            Outcome outcome = read(decode.submit("r", prompt, overTheWire(lent)));

            assertThat(outcome.tokens()).isEqualTo(prompt.generated());
            assertThat(outcome.finished().usage().handoff().recomputeReason())
                    .hasValueSatisfying(reason -> assertThat(reason).contains("names 127.0.22.13"));
            decode.awaitAllFree();
        }
    }

    @Test
    void shouldGiveGoldenTokensWhenBlockSizesDifferAndACachedPrefixIsNotRead() throws InterruptedException {
        Path path = GoldenFile.FOLDER.resolve("llama");
        Prompt prompt = longest(path);
        try (var prefill = new ExchangeNode(path, PREFILL);
                var decode = new ExchangeNode(path, DECODE.withBlockSize(8))) {
            var beginning = new Prompt(
                    "begin", Arrays.copyOf(prompt.tokenIds(), 50), List.of(1), prompt.topLogits(), prompt.tolerance());
            read(decode.submit("begin", beginning, new HandoffRole.None()));
            Outcome lent = read(prefill.submit("r", prompt, new HandoffRole.Lend()));

            Outcome outcome = read(decode.submit("r", prompt, overTheWire(lent)));

            assertThat(outcome.tokens()).isEqualTo(prompt.generated());
            assertThat(outcome.finished().usage().cachedTokens()).isEqualTo(48);
            assertThat(outcome.finished().usage().handoff().remoteTokens())
                    .isEqualTo(prompt.tokenIds().length - 1 - 48);
            decode.awaitAllFree();
            prefill.awaitAllFree();
        }
    }

    @Test
    void shouldRecomputeWhenTheLeaseExpiredBeforeTheRead() throws InterruptedException {
        Path path = GoldenFile.FOLDER.resolve("llama");
        Prompt prompt = longest(path);
        try (var prefill = new ExchangeNode(path, PREFILL.withLease(Duration.ofMillis(50)));
                var decode = new ExchangeNode(path, DECODE)) {
            Outcome lent = read(prefill.submit("r", prompt, new HandoffRole.Lend()));
            prefill.awaitAllFree();
            assertThat(prefill.count(EngineCounter.LEASES_EXPIRED)).isOne();

            Outcome outcome = read(decode.submit("r", prompt, overTheWire(lent)));

            assertThat(outcome.tokens()).isEqualTo(prompt.generated());
            assertThat(outcome.finished().usage().handoff().recomputeReason()).isPresent();
            assertThat(decode.count(EngineCounter.HANDOFF_RECOMPUTED)).isOne();
            decode.awaitAllFree();
        }
    }

    @Test
    void shouldRecomputeWhenThePrefillNodeIsGone() throws InterruptedException {
        Path path = GoldenFile.FOLDER.resolve("llama");
        Prompt prompt = longest(path);
        try (var decode = new ExchangeNode(path, DECODE)) {
            Outcome lent;
            try (var prefill = new ExchangeNode(path, PREFILL)) {
                lent = read(prefill.submit("r", prompt, new HandoffRole.Lend()));
            }

            Outcome outcome = read(decode.submit("r", prompt, overTheWire(lent)));

            assertThat(outcome.tokens()).isEqualTo(prompt.generated());
            assertThat(outcome.finished().usage().handoff().recomputeReason()).isPresent();
            decode.awaitAllFree();
        }
    }

    @Test
    void shouldFreeThePrefillNodesBlocksWhenTheDecodeNodesReaderGoes() throws InterruptedException {
        Path path = GoldenFile.FOLDER.resolve("llama");
        Prompt prompt = longest(path);
        try (var prefill = new ExchangeNode(path, PREFILL);
                var decode = new ExchangeNode(path, DECODE)) {
            Outcome lent = read(prefill.submit("r", prompt, new HandoffRole.Lend()));

            decode.submit("r", prompt, overTheWire(lent)).close();

            decode.awaitAllFree();
            prefill.awaitAllFree();
            assertThat(prefill.count(EngineCounter.LEASES_RELEASED)).isOne();
        }
    }

    private static Prompt longest(Path path) {
        return GoldenFile.prompts(path.resolve("golden/golden.json")).getLast();
    }

    /** The role that a decode node reads from the {@code kv_transfer_params} of a prefill node's answer. */
    private static HandoffRole overTheWire(Outcome lent) {
        HandoffTicket ticket = lent.finished().ticket().orElseThrow();
        return HandoffParams.parse(ticket.toParams());
    }
}
