package dev.tandem.api;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class ThreadDeathsTest {
    private final Thread.UncaughtExceptionHandler before = Thread.getDefaultUncaughtExceptionHandler();

    @BeforeEach
    void listen() {
        Thread.setDefaultUncaughtExceptionHandler(null);
        ThreadDeaths.listen();
    }

    @AfterEach
    void restore() {
        Thread.setDefaultUncaughtExceptionHandler(before);
    }

    private static void die(Thread.Builder builder, String name) throws InterruptedException {
        Thread thread = builder.name(name).start(() -> {
            throw new IllegalStateException("on purpose");
        });
        thread.join();
    }

    @Test
    void shouldRememberTheFirstThreadThatDied() throws InterruptedException {
        assertThat(ThreadDeaths.first()).isEmpty();
        die(Thread.ofPlatform(), "one");
        ThreadDeaths.listen();
        die(Thread.ofPlatform(), "other");
        assertThat(ThreadDeaths.first()).contains("thread one died: java.lang.IllegalStateException: on purpose");
    }

    @Test
    void shouldNotTakeTheDeathOfAVirtualThreadForThatOfTheProcess() throws InterruptedException {
        die(Thread.ofVirtual(), "exchange");
        assertThat(ThreadDeaths.first()).isEmpty();
    }
}
