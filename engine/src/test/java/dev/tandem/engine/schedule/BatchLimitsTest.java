package dev.tandem.engine.schedule;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

class BatchLimitsTest {
    @Test
    void shouldRefuseStepsThatAPromptDoesNotFitWhenItMayNotBeCut() {
        assertThatThrownBy(() -> new BatchLimits(512, 16, 64, false).requireWholePrompts(32_768))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("--max-num-batched-tokens 512")
                .hasMessageContaining("32768");
        assertThatCode(() -> new BatchLimits(512, 16, 64, true).requireWholePrompts(32_768))
                .as("the guide's decode nodes")
                .doesNotThrowAnyException();
        assertThatCode(() -> new BatchLimits(32_768, 16, 64, false).requireWholePrompts(32_768))
                .doesNotThrowAnyException();
    }

    @Test
    void shouldRefuseLimitsThatContradictEachOther() {
        assertThatThrownBy(() -> new BatchLimits(7, 16, 64, true))
                .hasMessageContaining("--max-num-batched-tokens 7 is below --max-num-seqs 16");
        assertThatThrownBy(() -> new BatchLimits(7, 0, 64, true)).hasMessageContaining("--max-num-seqs 0");
        assertThatThrownBy(() -> new BatchLimits(7, 1, 0, true)).hasMessageContaining("must be at least 1");
    }
}
