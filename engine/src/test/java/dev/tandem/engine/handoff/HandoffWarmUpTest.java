package dev.tandem.engine.handoff;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.junit.jupiter.api.Test;

class HandoffWarmUpTest {
    @Test
    void shouldExchangeWithItselfUntilTheBudgetIsSpent() throws InterruptedException {
        assertThat(HandoffWarmUp.run(Duration.ofMillis(50), () -> false)).isPositive();
    }

    @Test
    void shouldEndWhenItIsNotWantedAnyMore() throws InterruptedException {
        assertThat(HandoffWarmUp.run(Duration.ofDays(1), () -> true)).isOne();
    }

    @Test
    void shouldLeaveTheCountersOfTheProcessAlone() {
        try (HandoffHub hub = HandoffHub.start(HandoffHub.Setup.of("127.0.0.1"))) {
            assertThat(hub.counters().values()).containsOnly(0L);
            assertThat(hub.transferCounters())
                    .allSatisfy(counter ->
                            assertThat(counter.value()).as(counter.name()).isZero());
        }
    }
}
