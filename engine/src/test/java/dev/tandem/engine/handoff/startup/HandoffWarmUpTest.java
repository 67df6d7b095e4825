package dev.tandem.engine.handoff.startup;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.engine.handoff.HandoffConfig.Connector;
import dev.tandem.engine.handoff.runtime.HandoffRuntime;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class HandoffWarmUpTest {
    @ParameterizedTest
    @EnumSource(Connector.class)
    void shouldExchangeWithItselfUntilTheBudgetIsSpent(Connector connector) throws InterruptedException {
        assertThat(HandoffWarmUp.run(connector, Duration.ofMillis(50), () -> false))
                .isPositive();
    }

    @ParameterizedTest
    @EnumSource(Connector.class)
    void shouldEndWhenItIsNotWantedAnyMore(Connector connector) throws InterruptedException {
        assertThat(HandoffWarmUp.run(connector, Duration.ofDays(1), () -> true)).isOne();
    }

    @Test
    void shouldLeaveTheCountersOfTheProcessAlone() {
        try (var runtime = HandoffRuntime.start("127.0.0.1");
                var warmUp = HandoffWarmUp.start(Connector.LAYERWISE, Duration.ofSeconds(1))) {
            assertThat(warmUp).isNotNull();
            assertThat(runtime.counters().snapshot())
                    .isNotEmpty()
                    .allSatisfy((counter, count) ->
                            assertThat(count).as(counter.name()).isZero());
            assertThat(runtime.transfers().counters().snapshot())
                    .isNotEmpty()
                    .allSatisfy((counter, count) ->
                            assertThat(count).as(counter.name()).isZero());
        }
    }
}
