package dev.tandem.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;

class GrammarTest {
    private static VerbArguments read(String line) {
        return new Grammar("try", "a verb for this test, 100% of it")
                .argument("FIRST", true, String.class, text -> text, "needed")
                .argument("SECOND", false, Integer.class, Value.count(1, 9), "a small number")
                .list("--names", "NAME", "any number of them")
                .option("--some-time", "SECONDS", Duration.class, Value.seconds(10), "a time")
                .option("--size", "BYTES", Long.class, Value.whole(0, 1L << 40), "bytes")
                .user("--ssh", "a user or nobody")
                .flag("--json", "a switch")
                .read(List.of(line.split(" ")));
    }

    @Test
    void shouldReadValuesInEverySpelling() {
        VerbArguments arguments = read("a --some_time=1.5 3 --names x y --json --size 64MiB");
        arguments.refuseProblems();
        assertThat(arguments.argument(0, String.class)).contains("a");
        assertThat(arguments.argument(1, Integer.class)).contains(3);
        assertThat(arguments.value("--some-time", Duration.class)).contains(Duration.ofMillis(1500));
        assertThat(arguments.texts("--names")).containsExactly("x", "y");
        assertThat(arguments.value("--size", Long.class)).contains(64L << 20);
        assertThat(arguments.text("--size")).contains("64MiB");
        assertThat(arguments.has("--json")).isTrue();
    }

    @Test
    void shouldHaveNothingWhereNothingWasSaid() {
        VerbArguments arguments = read("a --names --json=false");
        arguments.refuseProblems();
        assertThat(arguments.has("--names")).isTrue();
        assertThat(arguments.texts("--names")).isEmpty();
        assertThat(arguments.has("--json")).isFalse();
        assertThat(arguments.has("--size")).isFalse();
        assertThat(arguments.value("--size", Long.class)).isEmpty();
        assertThat(arguments.text("--size")).isEmpty();
        assertThat(arguments.argument(1, Integer.class)).isEmpty();
    }

    @Test
    void shouldTakeAUserOnlyWhereOneStands() {
        assertThat(read("a --ssh root@ --json").value("--ssh", String.class)).contains("root@");
        assertThat(read("--ssh a").value("--ssh", String.class)).contains("");
        assertThat(read("--ssh a").argument(0, String.class)).contains("a");
        assertThat(read("a --ssh=x").value("--ssh", String.class)).contains("x");
        assertThat(read("a").value("--ssh", String.class)).isEmpty();
    }

    @Test
    void shouldLetTheLastOfSeveralValuesCount() {
        VerbArguments arguments = read("a --size 1 --size 2");
        arguments.refuseProblems();
        assertThat(arguments.value("--size", Long.class)).contains(2L);
    }

    @Test
    void shouldReportEverythingAtOnce() {
        assertThatThrownBy(
                        () -> read("--names x --nmes y --size -1 --some-time").refuseProblems())
                .hasMessage("""
                        unknown flag --nmes; the nearest is --names
                        --size -1 is outside [0, 1099511627776]
                        --some-time needs a value""");
        assertThatThrownBy(() -> read("--json --size").refuseProblems()).hasMessage("""
                        --size needs a value
                        FIRST is missing""");
    }

    @Test
    void shouldNotCallWhatIsUnusableMissing() {
        assertThatThrownBy(() -> read("a 17").refuseProblems()).hasMessage("SECOND 17 is outside [1, 9]");
        assertThatThrownBy(() -> read("a 7 b").refuseProblems()).hasMessage("unexpected argument b");
    }
}
