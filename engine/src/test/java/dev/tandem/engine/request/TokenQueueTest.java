package dev.tandem.engine.request;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.engine.request.TokenEvent.Failed;
import dev.tandem.engine.request.TokenEvent.Token;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class TokenQueueTest {
    private static final Failed END = new Failed(new EngineException(EngineException.Kind.INTERNAL, "end"));

    private final AtomicInteger aborts = new AtomicInteger();
    private final TokenQueue queue = new TokenQueue(2, stream -> aborts.incrementAndGet());

    @Test
    void shouldGiveTokensInOrderThenTheEnd() throws InterruptedException {
        queue.add(token(1));
        queue.add(token(2));
        queue.end(END);

        assertThat(queue.next(Duration.ZERO)).isEqualTo(token(1));
        assertThat(queue.next(Duration.ZERO)).isEqualTo(token(2));
        assertThat(queue.next(Duration.ZERO)).isEqualTo(END);
        assertThatThrownBy(() -> queue.next(Duration.ZERO)).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void shouldHoldNoMoreThanItsTokensAndOneEnd() {
        queue.add(token(1));
        queue.add(token(2));

        assertThatThrownBy(() -> queue.add(token(3))).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void shouldWakeAReaderThatWaits() throws InterruptedException {
        Thread writer = Thread.ofVirtual().start(() -> queue.add(token(1)));

        assertThat(queue.next(Duration.ofSeconds(30))).isEqualTo(token(1));
        writer.join();
    }

    @Test
    void shouldAbortOnceAndDropTokensWhenClosed() throws InterruptedException {
        queue.add(token(1));
        queue.close();
        queue.close();
        queue.add(token(2));
        queue.end(END);

        assertThat(aborts).hasValue(1);
        assertThat(queue.isClosed()).isTrue();
        assertThat(queue.next(Duration.ZERO)).isEqualTo(END);
    }

    @Test
    void shouldNotAbortAfterTheEndWasRead() throws InterruptedException {
        queue.end(END);
        queue.next(Duration.ZERO);

        queue.close();
        assertThat(aborts).hasValue(0);
        assertThat(queue.isClosed()).isFalse();
    }

    @Test
    void shouldTellAStopFromAnAbort() {
        queue.stop();
        queue.close();

        assertThat(queue.closeReason()).isEqualTo(TokenEvent.FinishReason.STOP);
        assertThat(aborts).hasValue(1);
    }

    @Test
    void shouldTimeOut() {
        assertThatThrownBy(() -> queue.next(Duration.ofMillis(1)))
                .isInstanceOfSatisfying(
                        EngineException.class, e -> assertThat(e.kind()).isEqualTo(EngineException.Kind.TIMED_OUT));
    }

    private static Token token(int id) {
        return new Token(id, Optional.empty());
    }
}
