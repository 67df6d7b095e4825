package dev.tandem.api;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class OneLineTest {
    @Test
    void shouldLeaveOrdinaryTextAlone() {
        String text = "node=127.0.0.1:8000 cause=größer als 8 | 中文 \"quoted\" \\n";
        assertThat(OneLine.of(text)).isSameAs(text);
    }

    @Test
    void shouldShowWhatEndsALineOrMovesTheCursor() {
        assertThat(OneLine.of("a\r\nb\tc\u001b[2Jd\u0000e\u0085f\u2028g\u202eh"))
                .isEqualTo("a\\r\\nb\\tc\\u001b[2Jd\\u0000e\\u0085f\\u2028g\\u202eh");
    }

    @Test
    void shouldCutALongTextAndSayHowMuchIsMissing() {
        String line = OneLine.of("x".repeat(OneLine.MAX_CHARS + 5));
        assertThat(line).hasSizeLessThan(OneLine.MAX_CHARS + 50).endsWith("x … and 5 more characters");
    }
}
