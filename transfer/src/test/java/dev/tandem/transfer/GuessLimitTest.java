package dev.tandem.transfer;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.junit.jupiter.api.Test;

class GuessLimitTest {
    private static final long INTERVAL_NS = Duration.ofSeconds(55).toNanos();

    private final GuessLimit limit = new GuessLimit(64, INTERVAL_NS);

    @Test
    void shouldMakeAHostWaitWhenItHasGuessedTooOften() {
        for (int guess = 1; guess < 64; guess++) {
            assertThat(limit.guessed("a", 0)).isFalse();
        }
        assertThat(limit.isSpent("a", 0)).isFalse();
        assertThat(limit.guessed("a", 0)).as("worth a line").isTrue();
        assertThat(limit.isSpent("a", INTERVAL_NS - 1)).isTrue();
        assertThat(limit.isSpent("b", 0)).as("another host").isFalse();

        assertThat(limit.isSpent("a", INTERVAL_NS)).isFalse();
        assertThat(limit.guessed("a", INTERVAL_NS)).as("told already").isFalse();
        assertThat(limit.isSpent("a", INTERVAL_NS)).isTrue();
    }

    /** 2^28 places and one lent block: half of them have to be tried on average. */
    @Test
    void shouldTakeMoreThanAYearForAGuess() {
        long yearNs = Duration.ofDays(365).toNanos();
        long guesses = 0;
        for (long nowNs = 0; nowNs < yearNs; nowNs += INTERVAL_NS / 4) {
            while (!limit.isSpent("a", nowNs)) {
                limit.guessed("a", nowNs);
                guesses++;
            }
        }
        assertThat(guesses).isBetween(64L, (1L << 27) / 200);
    }

    @Test
    void shouldForgetAHostThatHasNotGuessedForLong() {
        limit.guessed("a", 0);
        assertThat(limit.isSpent("a", INTERVAL_NS)).isFalse();
        assertThat(limit.hosts()).isZero();
    }

    @Test
    void shouldRememberOnlySoManyHosts() {
        for (int host = 0; host <= GuessLimit.MAX_HOSTS; host++) {
            limit.guessed("host " + host, 0);
        }
        assertThat(limit.hosts()).isEqualTo(GuessLimit.MAX_HOSTS);
    }
}
