package dev.tandem.gateway.protocol;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SequencePlanTest {
    private static Optional<SequencePlan> plan(String body) {
        return SequencePlan.of(JsonSpans.of(body.getBytes(StandardCharsets.UTF_8)));
    }

    private static List<String> bodies(String body) {
        return plan(body).orElseThrow().bodies().stream()
                .map(bytes -> new String(bytes, StandardCharsets.UTF_8))
                .toList();
    }

    @Test
    void shouldCutAListOfPromptsAndKeepTheirBytes() {
        assertThat(bodies("{\"a\":1.50,\"prompt\":[ \"x, ]\" ,\"é\\u00e9\"],\"n\":1}"))
                .containsExactly("{\"a\":1.50,\"prompt\":\"x, ]\"}", "{\"a\":1.50,\"prompt\":\"é\\u00e9\"}");
        assertThat(bodies("{\"prompt\":[[1, 2],[3]]}")).containsExactly("{\"prompt\":[1, 2]}", "{\"prompt\":[3]}");
    }

    @Test
    void shouldShiftTheSeedOfEachChoiceAsNodesDo() {
        assertThat(bodies("{\"prompt\":\"x\",\"n\":3,\"seed\":18446744073709551615}"))
                .containsExactly(
                        "{\"prompt\":\"x\",\"seed\":18446744073709551615}",
                        "{\"prompt\":\"x\",\"seed\":18446744073709551616}",
                        "{\"prompt\":\"x\",\"seed\":18446744073709551617}");
        assertThat(bodies("{\"messages\":[],\"n\":2,\"seed\":null}"))
                .containsExactly("{\"messages\":[],\"seed\":null}", "{\"messages\":[],\"seed\":null}");
    }

    @Test
    void shouldNotCutARequestWhoseChoicesWouldRepeatALongBody() {
        String megabyte = "x".repeat(1 << 20);
        assertThat(plan("{\"prompt\":\"" + megabyte + "\",\"n\":16}")).isPresent();
        assertThat(plan("{\"prompt\":\"" + megabyte + "\",\"n\":64}")).isEmpty();
        String prompts = "[" + "\"a\",".repeat(63) + "\"a\"]";
        assertThat(plan("{\"prompt\":" + prompts + ",\"user\":\"" + megabyte + "\"}"))
                .isEmpty();
    }

    @Test
    void shouldPutAllChoicesOfAPromptBeforeTheNext() {
        assertThat(bodies("{\"prompt\":[\"a\",\"b\"],\"n\":2,\"best_of\":2}"))
                .containsExactly(
                        "{\"prompt\":\"a\"}", "{\"prompt\":\"a\"}", "{\"prompt\":\"b\"}", "{\"prompt\":\"b\"}");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"prompt\":\"a\"}",
                "{\"prompt\":\"a\",\"n\":1}",
                "{\"prompt\":\"a\",\"n\":null}",
                "{\"prompt\":[1,2,3]}",
                "{\"prompt\":[\"a\"]}",
                "{\"prompt\":[]}",
                "{\"prompt\":\"a\",\"n\":0}",
                "{\"prompt\":\"a\",\"n\":-2}",
                "{\"prompt\":\"a\",\"n\":2.5}",
                "{\"prompt\":\"a\",\"n\":\"2\"}",
                "{\"prompt\":\"a\",\"n\":257}",
                "{\"prompt\":\"a\",\"n\":99999999999}",
                "{\"prompt\":\"a\",\"n\":2,\"best_of\":3}",
                "{\"prompt\":\"a\",\"n\":2,\"use_beam_search\":true}",
                "{\"prompt\":[\"a\",\"b\"],\"echo\":true,\"logprobs\":1}",
                "{\"prompt\":[\"a\",\"b\"],\"prompt_logprobs\":0}"
            })
    void shouldLeaveWholeWhatIsForOneSequenceOrCannotBeCut(String body) {
        assertThat(plan(body)).isEmpty();
    }
}
