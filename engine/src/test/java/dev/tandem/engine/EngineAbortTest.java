package dev.tandem.engine;

import static dev.tandem.engine.EngineFixture.PATIENCE;
import static dev.tandem.engine.EngineFixture.await;
import static dev.tandem.engine.EngineFixture.prompt;
import static dev.tandem.engine.EngineFixture.read;
import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.engine.EngineFixture.Setup;
import dev.tandem.engine.handoff.HandoffEvent.Reason;
import dev.tandem.engine.request.TokenEvent.FinishReason;
import dev.tandem.engine.request.TokenStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** A reader that goes away, in every state of its sequence. */
class EngineAbortTest {
    private final EngineFixture fixture =
            new EngineFixture(Setup.usual().withSequences(1).withBatchedTokens(16));

    @AfterEach
    void close() {
        fixture.close();
    }

    @Test
    void shouldAbortWhileWaiting() throws InterruptedException {
        var held = fixture.model.hold();
        TokenStream running = fixture.submit("running", prompt(5, 1), 5);
        fixture.model.awaitHeld();
        TokenStream waiting = fixture.submit("waiting", prompt(5, 2), 5);

        waiting.close();
        held.countDown();

        assertAborted(waiting, 0);
        assertThat(read(running).tokens()).hasSize(5);
        fixture.awaitAllFree();
    }

    @Test
    void shouldAbortInTheMiddleOfAChunkWithoutComputingTheRest() throws InterruptedException {
        var held = fixture.model.hold();
        TokenStream stream = fixture.submit("r", prompt(300, 1), 5);
        fixture.model.awaitHeld();

        stream.close();
        held.countDown();

        assertAborted(stream, 0);
        fixture.awaitAllFree();
        assertThat(fixture.engine.status().blocks().cached())
                .as("the chunk was given up after its first layer")
                .isZero();
    }

    @Test
    void shouldTellTheEndOfARequestBeforeTheStepOfTheNextIsComputed() throws InterruptedException {
        var first = fixture.model.hold();
        TokenStream left = fixture.submit("left", prompt(300, 1), 5);
        fixture.model.awaitHeld();
        TokenStream next = fixture.submit("next", prompt(5, 2), 5);

        left.close();
        var second = fixture.model.hold();
        first.countDown();
        fixture.model.awaitHeld();

        assertAborted(left, 0);
        assertThat(fixture.engine.status().load().waiting())
                .as("the state that the end belongs to is published")
                .isZero();
        second.countDown();
        assertThat(read(next).tokens()).hasSize(5);
    }

    @Test
    void shouldAbortWhileDecoding() throws InterruptedException {
        TokenStream stream = fixture.submit("r", prompt(5, 1), 400);
        stream.next(PATIENCE);

        stream.close();

        assertAborted(stream, 1);
        fixture.awaitAllFree();
        assertThat(read(fixture.submit("r", prompt(5, 1), 5)).tokens()).hasSize(5);
    }

    @Test
    void shouldAbortWhileTheKvIsBeingReadAndKeepItsBlocksUntilThatEnds() throws InterruptedException {
        TokenStream stream = fixture.fetch("r", prompt(40, 1), 5);
        await(() -> fixture.handoff.fetches().containsKey("r"));

        stream.close();

        assertAborted(stream, 0);
        assertThat(fixture.handoff.cancelledFetches).containsExactly("r");
        assertThat(fixture.engine.status().blocks().free())
                .isEqualTo(fixture.engine.status().blocks().total() - 10);
        fixture.handoff.breakOff("r");
        fixture.awaitAllFree();
    }

    @Test
    void shouldTakeTheLeaseBackWhenNobodyTakesTheTicket() throws InterruptedException {
        TokenStream stream = fixture.lend("r", prompt(40, 1));
        await(() -> fixture.engine.status().load().lent() == 1);

        stream.close();

        fixture.awaitAllFree();
        assertThat(fixture.handoff.cancelledLeases).containsExactly("r");
        assertThat(fixture.count(EngineCounter.LEASES_CANCELLED)).isOne();
    }

    @Test
    void shouldKeepTheLeaseWhenTheTicketWasReadUntilItIsCancelled() throws InterruptedException {
        TokenStream stream = fixture.lend("r", prompt(40, 1));
        read(stream);
        stream.close();
        assertThat(read(fixture.submit("next", prompt(5, 1), 3)).tokens()).hasSize(3);
        assertThat(fixture.engine.status().load().lent()).isOne();

        fixture.engine.cancelLease("r");

        fixture.awaitAllFree();
        assertThat(fixture.handoff.cancelledLeases).containsExactly("r");
    }

    @Test
    void shouldEndAPrefillWhoseLeaseIsCancelledBeforeItBegan() throws InterruptedException {
        var held = fixture.model.hold();
        TokenStream running = fixture.submit("running", prompt(5, 1), 5);
        fixture.model.awaitHeld();
        TokenStream waiting = fixture.lend("r", prompt(40, 1));

        fixture.engine.cancelLease("r");
        held.countDown();

        assertAborted(waiting, 0);
        assertThat(fixture.count(EngineCounter.LEASES_GRANTED)).isZero();
        assertThat(read(running).tokens()).hasSize(5);
        fixture.awaitAllFree();
    }

    @Test
    void shouldDeclineTheTicketOfAWaitingRequestThatIsAborted() throws InterruptedException {
        var held = fixture.model.hold();
        TokenStream running = fixture.submit("running", prompt(5, 1), 5);
        fixture.model.awaitHeld();
        TokenStream waiting = fixture.fetch("r", prompt(40, 2), 5);

        waiting.close();
        held.countDown();

        assertAborted(waiting, 0);
        assertThat(fixture.handoff.declined).containsExactly("r");
        assertThat(read(running).tokens()).hasSize(5);
        fixture.awaitAllFree();
    }

    @Test
    void shouldCountAStopOfTheReaderAsAStop() throws InterruptedException {
        TokenStream stream = fixture.submit("r", prompt(5, 1), 400);
        stream.next(PATIENCE);

        stream.stop();

        var end = read(stream).finished();
        assertThat(end.reason()).isEqualTo(FinishReason.STOP);
        assertThat(end.usage().outputTokens()).isBetween(1, 399);
        assertThat(fixture.count(EngineCounter.REQUESTS_FINISHED_STOP)).isOne();
        assertThat(fixture.count(EngineCounter.REQUESTS_ABORTED)).isZero();
    }

    @Test
    void shouldIgnoreAReaderThatClosesAfterTheEnd() throws InterruptedException {
        TokenStream stream = fixture.submit("r", prompt(5, 1), 5);
        read(stream);

        stream.close();
        stream.close();

        assertThat(read(fixture.submit("r", prompt(5, 1), 5)).tokens()).hasSize(5);
        assertThat(fixture.count(EngineCounter.REQUESTS_ABORTED)).isZero();
        fixture.awaitAllFree();
    }

    @Test
    void shouldGiveBackBlocksWhenALeaseExpires() throws InterruptedException {
        read(fixture.lend("r", prompt(40, 1)));

        fixture.handoff.endLease("r", Reason.EXPIRED);

        fixture.awaitAllFree();
        assertThat(fixture.count(EngineCounter.LEASES_EXPIRED)).isOne();
    }

    private void assertAborted(TokenStream stream, int leastTokens) throws InterruptedException {
        var outcome = read(stream);
        assertThat(outcome.finished().reason()).isEqualTo(FinishReason.ABORT);
        assertThat(outcome.finished().usage().outputTokens()).isGreaterThanOrEqualTo(leastTokens);
        assertThat(fixture.count(EngineCounter.REQUESTS_ABORTED)).isOne();
    }
}
