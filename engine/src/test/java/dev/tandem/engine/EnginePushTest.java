package dev.tandem.engine;

import static dev.tandem.engine.EngineFixture.await;
import static dev.tandem.engine.EngineFixture.prompt;
import static dev.tandem.engine.EngineFixture.read;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.engine.EngineFixture.Outcome;
import dev.tandem.engine.EngineFixture.Setup;
import dev.tandem.engine.request.EngineException.Kind;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.engine.request.PromptDigest;
import dev.tandem.engine.request.TokenEvent.FinishReason;
import dev.tandem.engine.request.TokenStream;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** Both sides of a layerwise push, with a fake in the place of the network. */
class EnginePushTest {
    private static final HandoffTicket TARGET = FakeConnector.ticket(10);
    private static final String METASERVER = "http://gateway/v1/metaserver";

    @Test
    void shouldSayAfterEachLayerHowFarThePromptIsStored() throws InterruptedException {
        try (var fixture = new EngineFixture(Setup.usual().layerwise().withBatchedTokens(16))) {
            int[] prompt = prompt(41, 1);
            TokenStream stream = push(fixture, "r", prompt);
            await(() -> fixture.handoff.pushes.containsKey("r")
                    && fixture.handoff.pushes.get("r").contains(FakeModel.LAYERS - 1 + ":41"));
            assertThat(fixture.handoff.pushes.get("r"))
                    .startsWith("0:16", "1:16")
                    .contains("0:32", "1:32")
                    .endsWith("0:41", "1:41");
            await(() -> fixture.engine.status().load().lent() == 1);
            assertThat(fixture.engine.status().blocks().lent()).isEqualTo(11);

            fixture.handoff.endPush("r");

            Outcome outcome = read(stream);
            assertThat(outcome.tokens()).isEqualTo(FakeModel.greedy(prompt, 1));
            assertThat(outcome.finished().reason()).isEqualTo(FinishReason.LENGTH);
            assertThat(outcome.finished().ticket()).isEmpty();
            fixture.awaitAllFree();
            assertThat(fixture.count(EngineCounter.PUSHES)).isOne();
        }
    }

    @Test
    void shouldAnnounceItsCachedPrefixTogetherWithTheFirstChunk() throws InterruptedException {
        try (var fixture = new EngineFixture(Setup.usual().layerwise())) {
            int[] prompt = prompt(41, 1);
            read(fixture.submit("before", Arrays.copyOf(prompt, 21), 1));
            push(fixture, "r", prompt);
            await(() -> fixture.handoff.pushes.containsKey("r")
                    && fixture.handoff.pushes.get("r").size() == FakeModel.LAYERS);
            assertThat(fixture.handoff.pushes.get("r")).containsExactly("0:41", "1:41");
            fixture.handoff.endPush("r");
            fixture.awaitAllFree();
        }
    }

    @Test
    void shouldKeepItsBlocksUntilAFailedPushIsAtRest() throws InterruptedException {
        try (var fixture = new EngineFixture(Setup.usual().layerwise())) {
            TokenStream stream = push(fixture, "r", prompt(41, 1));
            await(() -> fixture.engine.status().load().lent() == 1);

            fixture.handoff.breakPush("r");

            Outcome outcome = read(stream);
            assertThat(outcome.failure().kind()).isEqualTo(Kind.KV_LOST);
            assertThat(outcome.failure()).hasMessageContaining("the decode node is gone");
            fixture.awaitAllFree();
            assertThat(fixture.count(EngineCounter.PUSH_FAILURES)).isOne();
        }
    }

    @Test
    void shouldKeepItsBlocksWhenTheClientGoesInTheMiddleOfAPush() throws InterruptedException {
        try (var fixture = new EngineFixture(Setup.usual().layerwise())) {
            TokenStream stream = push(fixture, "r", prompt(41, 1));
            await(() -> fixture.engine.status().load().lent() == 1);

            stream.close();

            await(() -> fixture.handoff.cancelledPushes.contains("r"));
            assertThat(fixture.engine.status().blocks().lent()).isEqualTo(11);
            assertThat(read(fixture.submit("other", prompt(9, 2), 3)).tokens()).hasSize(3);
            fixture.handoff.breakPush("r");
            fixture.awaitAllFree();
        }
    }

    @Test
    void shouldTellTheDecodeNodeOfARequestThatIsRefused() {
        try (var fixture = new EngineFixture(Setup.usual().layerwise())) {
            assertThatThrownBy(() -> fixture.submit("r", prompt(600, 1), 1, new HandoffRole.Push(TARGET)))
                    .hasMessageContaining("model length");
            await(() -> !fixture.handoff.refusedPushes.isEmpty());
            assertThat(fixture.handoff.refusedPushes.getFirst())
                    .startsWith("r: ")
                    .contains("model length");
        }
    }

    @Test
    void shouldRefuseToPushAnotherPromptThanTheDecodeNodeHas() {
        try (var fixture = new EngineFixture(Setup.usual().layerwise())) {
            HandoffTicket other = TARGET.with(HandoffTicket.PROMPT, PromptDigest.of(prompt(41, 2)));
            assertThatThrownBy(() -> fixture.submit("r", prompt(41, 1), 1, new HandoffRole.Push(other)))
                    .hasMessageContaining("tokenizers or chat templates differ");
        }
    }

    @Test
    void shouldRefuseTheOtherConnectorsParameters() {
        try (var layerwise = new EngineFixture(Setup.usual().layerwise());
                var pull = new EngineFixture(Setup.usual())) {
            assertThatThrownBy(() -> layerwise.lend("r", prompt(9, 1)))
                    .hasMessageContaining("start the gateway with --layerwise");
            assertThatThrownBy(() -> pull.submit("r", prompt(9, 1), 5, new HandoffRole.Receive(METASERVER)))
                    .hasMessageContaining("start the gateway without --layerwise");
        }
    }

    @Test
    void shouldDecodeFromWhatWasPushed() throws InterruptedException {
        try (var fixture = new EngineFixture(Setup.usual().layerwise())) {
            int[] prompt = prompt(40, 1);
            TokenStream stream = fixture.submit("r", prompt, 20, new HandoffRole.Receive(METASERVER));
            await(() -> fixture.handoff.fetches().containsKey("r"));

            fixture.handoff.arrive("r");

            Outcome outcome = read(stream);
            assertThat(outcome.tokens()).isEqualTo(FakeModel.greedy(prompt, 20));
            assertThat(outcome.finished().usage().handoff().remoteTokens()).isEqualTo(39);
            fixture.awaitAllFree();
        }
    }

    @Test
    void shouldRecomputeWhatWasNotPushed() throws InterruptedException {
        try (var fixture = new EngineFixture(Setup.usual().layerwise())) {
            int[] prompt = prompt(40, 1);
            TokenStream stream = fixture.submit("r", prompt, 20, new HandoffRole.Receive(METASERVER));
            await(() -> fixture.handoff.fetches().containsKey("r"));

            fixture.handoff.breakOff("r");

            Outcome outcome = read(stream);
            assertThat(outcome.tokens()).isEqualTo(FakeModel.greedy(prompt, 20));
            assertThat(outcome.finished().usage().handoff().recomputeReason()).isPresent();
            assertThat(fixture.count(EngineCounter.HANDOFF_RECOMPUTED)).isOne();
            fixture.awaitAllFree();
        }
    }

    private static TokenStream push(EngineFixture fixture, String id, int[] prompt) {
        return fixture.submit(id, prompt, 16, new HandoffRole.Push(TARGET));
    }
}
