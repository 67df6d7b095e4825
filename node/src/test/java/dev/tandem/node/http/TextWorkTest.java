package dev.tandem.node.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.api.openai.ApiError;
import dev.tandem.api.server.ClientGoneException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class TextWorkTest {
    private static final int LONG = TextWork.SHORT_TEXT + 1;

    private final TextWork work = new TextWork(1);
    private final ExecutorService callers = Executors.newVirtualThreadPerTaskExecutor();
    private final CountDownLatch end = new CountDownLatch(1);

    @AfterEach
    void close() {
        end.countDown();
        callers.close();
    }

    /** Work of so many characters that lasts until the latch opens. */
    private Callable<String> held(int characters, CountDownLatch begun, CountDownLatch until) {
        return () -> work.run(characters, () -> false, () -> {
            begun.countDown();
            await(until);
            return "done";
        });
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void shouldDoShortTextsWhileLongOnesAreAtWorkAndWait() throws Exception {
        var begun = new CountDownLatch(1);
        List<Future<String>> longOnes = new ArrayList<>();
        for (int i = 0; i < 16; i++) {
            longOnes.add(callers.submit(held(LONG, begun, end)));
        }
        begun.await();
        assertThat(work.run(TextWork.SHORT_TEXT, () -> false, () -> "short")).isEqualTo("short");
        assertThat(longOnes).noneMatch(Future::isDone);
        end.countDown();
        for (Future<String> one : longOnes) {
            assertThat(one.get()).isEqualTo("done");
        }
    }

    @Test
    void shouldRefuseWithoutWaitingOnceTheRoomIsTaken() throws Exception {
        var begun = new CountDownLatch(1);
        Future<String> first = callers.submit(held(TextWork.ROOM, begun, end));
        begun.await();
        assertThatThrownBy(() -> work.run(LONG, () -> false, () -> "never"))
                .isInstanceOfSatisfying(ApiError.class, error -> {
                    assertThat(error.status()).isEqualTo(503);
                    assertThat(error.retryAfterSeconds()).isPresent();
                })
                .hasMessageContaining("more than 8388608 characters of long texts wait");
        assertThat(work.run(1, () -> false, () -> "short")).isEqualTo("short");
        end.countDown();
        first.get();
        assertThat(work.run(TextWork.ROOM, () -> false, () -> "next")).isEqualTo("next");
    }

    @Test
    void shouldRefuseARequestThatNoRoomCanHold() {
        assertThatThrownBy(() -> work.run(TextWork.ROOM + 1L, () -> false, () -> "never"))
                .isInstanceOfSatisfying(
                        ApiError.class, error -> assertThat(error.status()).isEqualTo(400));
    }

    @Test
    void shouldLeaveOutTheWorkOfClientsThatHaveLeft() throws Exception {
        var begun = new CountDownLatch(1);
        Future<String> first = callers.submit(held(LONG, begun, end));
        begun.await();
        var isGone = new AtomicBoolean();
        var done = new AtomicInteger();
        Future<Integer> second = callers.submit(() -> work.run(LONG, isGone::get, done::incrementAndGet));
        isGone.set(true);
        end.countDown();
        first.get();
        assertThatThrownBy(second::get).hasCauseInstanceOf(ClientGoneException.class);
        assertThat(done).hasValue(0);
    }

    @Test
    void shouldGiveTheRoomBackWhenWorkFails() throws Exception {
        for (int i = 0; i < 3; i++) {
            assertThatThrownBy(() -> work.run(TextWork.ROOM, () -> false, () -> {
                        throw new IllegalArgumentException("token id 7");
                    }))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("token id 7");
        }
        assertThat(work.run(TextWork.ROOM, () -> false, () -> "next")).isEqualTo("next");
    }
}
