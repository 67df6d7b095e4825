package dev.tandem.node;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.node.flags.FlagException;
import dev.tandem.node.flags.ServeFlags.Scheduler;
import org.junit.jupiter.api.Test;

class RankPlanTest {
    @Test
    void shouldRefuseStepsThatAPromptDoesNotFitWhenItMayNotBeCut() {
        assertThatThrownBy(() -> RankPlan.requireWholePrompts(new Scheduler(16, 512, false), 32_768))
                .isInstanceOf(FlagException.class)
                .hasMessageContaining("--max-num-batched-tokens 512")
                .hasMessageContaining("32768");
        assertThatCode(() -> RankPlan.requireWholePrompts(new Scheduler(16, 512, true), 32_768))
                .as("the guide's decode nodes")
                .doesNotThrowAnyException();
        assertThatCode(() -> RankPlan.requireWholePrompts(new Scheduler(16, 32_768, false), 32_768))
                .doesNotThrowAnyException();
    }
}
