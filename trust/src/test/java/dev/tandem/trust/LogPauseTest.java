package dev.tandem.trust;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.junit.jupiter.api.Test;

class LogPauseTest {
    private final LogPause pause = new LogPause(Duration.ofNanos(10));

    @Test
    void shouldLetOneLineThroughPerIntervalAndTellHowManyItLeftOut() {
        assertThat(pause.due(Long.MAX_VALUE)).contains("");
        assertThat(pause.due(Long.MAX_VALUE + 1)).isEmpty(); // a clock may turn over
        assertThat(pause.due(Long.MAX_VALUE + 9)).isEmpty();
        assertThat(pause.due(Long.MAX_VALUE + 10)).contains(" (2 more of this kind since the last line)");
        assertThat(pause.due(Long.MAX_VALUE + 20)).contains("");
    }
}
