package dev.tandem.node.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class StopStringsTest {
    @Test
    void shouldHoldBackWhatMightBecomeAStopString() {
        var stops = new StopStrings(List.of("END."), false);
        assertThat(stops.add("The EN")).isEqualTo("The ");
        assertThat(stops.add("D of")).isEqualTo("END of");
        assertThat(stops.add(" it E")).isEqualTo(" it ");
        assertThat(stops.finish()).isEqualTo("E");
        assertThat(stops.found()).isEmpty();
    }

    @Test
    void shouldCutAtTheEarliestStopStringAndLeakNothingBehindIt() {
        var stops = new StopStrings(List.of("zz", "y"), false);
        assertThat(stops.add("ax")).isEqualTo("ax");
        assertThat(stops.add("byczz")).isEqualTo("b");
        assertThat(stops.found()).contains("y");
    }

    @Test
    void shouldKeepTheStopStringWhenAskedTo() {
        var stops = new StopStrings(List.of("\n\n"), true);
        assertThat(stops.add("a\n")).isEqualTo("a");
        assertThat(stops.add("\nb")).isEqualTo("\n\n");
        assertThat(stops.found()).contains("\n\n");
    }

    @Test
    void shouldFindAStopStringSpreadOverManyPieces() {
        var stops = new StopStrings(List.of("abcabd"), false);
        var shown = new StringBuilder();
        for (char c : "xabcabcabdy".toCharArray()) {
            shown.append(stops.add(String.valueOf(c)));
            if (stops.found().isPresent()) {
                break;
            }
        }
        assertThat(shown.toString()).isEqualTo("xabc");
    }
}
