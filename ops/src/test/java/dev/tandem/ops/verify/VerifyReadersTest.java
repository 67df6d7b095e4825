package dev.tandem.ops.verify;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.ops.verify.ClusterNode.Role;
import dev.tandem.ops.verify.DisaggregationCheck.Grown;
import dev.tandem.ops.verify.Reply.Line;
import dev.tandem.ops.verify.Row.Status;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;

/** What a verification makes of addresses, streams, metrics pages and usage objects. */
class VerifyReadersTest {
    private static Reply reply(int status, String... lines) {
        var arrived = new ArrayList<Line>();
        for (String line : lines) {
            arrived.add(new Line((arrived.size() + 1) * 1_000_000L, line));
        }
        return new Reply(status, Map.of("x-tandem-disaggregated", "true"), arrived, Optional.empty());
    }

    @Test
    void shouldReadAddressesAsPeopleWriteThem() {
        assertThat(Target.parse("127.0.0.1:8080")).hasToString("http://127.0.0.1:8080");
        assertThat(Target.parse("https://h/v1/")).hasToString("https://h");
        assertThat(Target.parse("[::1]:80").authority()).isEqualTo("[::1]:80");
        assertThat(ClusterNode.parse("prefill=a:1").role()).isEqualTo(Role.PREFILL);
        assertThat(ClusterNode.parse("a:1").role()).isEqualTo(Role.UNKNOWN);
        assertThatThrownBy(() -> Target.parse("ftp://a")).hasMessageContaining("ftp://a");
        assertThatThrownBy(() -> Target.parse("a b")).hasMessageContaining("a b");
        assertThatThrownBy(() -> ClusterNode.parse("router=a:1")).hasMessageContaining("prefill=");
    }

    @Test
    void shouldReadAStreamWithItsTimes() {
        Completion answer = CompletionReader.streamed(reply(
                200,
                "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}",
                "",
                "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}",
                ": a comment",
                "data: {\"choices\":[{\"delta\":{\"content\":\"b\"}}]}",
                "data: {\"choices\":[],\"usage\":{\"completion_tokens\":4}}",
                "data: [DONE]"));
        assertThat(answer.problem()).isEmpty();
        assertThat(answer.output().text()).isEqualTo("ab");
        assertThat(answer.times().tokenNs()).containsExactly(3_000_000L, 5_000_000L);
        assertThat(TimesCheck.judge(answer))
                .extracting(Row::figure)
                .containsExactly("3.0 ms", "mean 0.7 ms, longest 2.0 ms, 4 tokens in 2 events");
    }

    @Test
    void shouldSayWhatIsWrongWithAStream() {
        assertThat(CompletionReader.streamed(reply(200, "data: {\"choices\":[{\"text\":\"a\"}]}"))
                        .problem())
                .contains("the stream ended without data: [DONE]");
        assertThat(CompletionReader.streamed(reply(200, "data: {nonsense"))
                        .problem()
                        .orElseThrow())
                .contains("not valid JSON");
        assertThat(CompletionReader.streamed(reply(200, "data: {\"error\":{\"message\":\"gone\"}}"))
                        .problem()
                        .orElseThrow())
                .contains("gone");
        assertThat(CompletionReader.whole(reply(200, "[]")).problem().orElseThrow())
                .contains("no choices");
        assertThat(CompletionReader.whole(reply(503, "{\"error\":{\"message\":\"no node\"}}"))
                        .problem())
                .contains("status 503: no node");
        assertThat(CompletionReader.whole(reply(200, "")).problem()).isPresent();
    }

    @Test
    void shouldSumAMetricOverItsLabels() {
        MetricsSample page = MetricsSample.parse(List.of(
                "# HELP a b",
                "vllm:prompt_tokens_total{engine=\"0\",model_name=\"a } b\"} 3.0",
                "vllm:prompt_tokens_total{engine=\"1\"} 4 1712345678",
                "plain 1e3",
                "broken",
                "a_bucket{le=\"+Inf\"} +Inf",
                ""));
        assertThat(page.value("vllm:prompt_tokens_total")).hasValue(7);
        assertThat(page.value("missing", "plain")).hasValue(1000);
        assertThat(page.value("broken")).isEmpty();
        assertThat(page.isOfANode()).isTrue();
    }

    private static Row disaggregation(String tandem, Map<String, Double> grownOnDecode) {
        Completion answer = CompletionReader.whole(
                reply(200, "{\"choices\":[{\"text\":\"a\"}],\"usage\":{\"prompt_tokens\":9" + tandem + "}}"));
        return new DisaggregationCheck(
                        answer,
                        Optional.of("pull"),
                        List.of(),
                        List.of(new Grown(
                                new MetricsSample(Map.of("vllm:nixl_bytes_transferred_sum", 1000.0)),
                                new MetricsSample(grownOnDecode))))
                .judge();
    }

    @Test
    void shouldTellBytesPathAndSpeedOfAHandoff() {
        Row row = disaggregation(
                ",\"tandem\":{\"prefill\":\"remote\",\"remote_tokens\":8,\"handoff_bytes\":4000000,\"handoff_ms\":20.0}",
                Map.of());
        assertThat(row.status()).isEqualTo(Status.OK);
        assertThat(row.figure()).isEqualTo("4,000,000 bytes of 8 prompt tokens by pull in 20.0 ms, 200.0 MB/s");
    }

    @Test
    void shouldBelieveNoHandoffWithoutBytesAndNoLocalPrefill() {
        assertThat(disaggregation(",\"tandem\":{\"prefill\":\"remote\",\"remote_tokens\":8}", Map.of())
                        .status())
                .isEqualTo(Status.FAILED);
        Row local = disaggregation(
                ",\"tandem\":{\"prefill\":\"local\",\"recompute_reason\":\"no answer from 127.0.0.2\"}", Map.of());
        assertThat(local.status()).isEqualTo(Status.FAILED);
        assertThat(local.figure()).contains("no answer from 127.0.0.2");
    }

    @Test
    void shouldReadBytesOfVllmFromItsMetrics() {
        Row row = disaggregation("", Map.of("vllm:nixl_bytes_transferred_sum", 51_000.0));
        assertThat(row.status()).isEqualTo(Status.OK);
        assertThat(row.figure()).contains("50,000 bytes", "speed is not reported");
    }

    @Test
    void shouldSeeTakenBlocksOfEitherKindOfNode() {
        var before = new MetricsSample(Map.of("vllm:kv_cache_usage_perc", 0.25));
        assertThat(BlocksCheck.State.of(before, before).orElseThrow().isFree()).isTrue();
        assertThat(BlocksCheck.State.of(before, new MetricsSample(Map.of("vllm:kv_cache_usage_perc", 0.5)))
                        .orElseThrow()
                        .isFree())
                .isFalse();
        var lent = new MetricsSample(
                Map.of("tandem:kv_blocks", 64.0, "tandem:kv_blocks_free", 60.0, "tandem:kv_blocks_lent", 4.0));
        assertThat(BlocksCheck.State.of(lent, lent).orElseThrow().figure())
                .isEqualTo("4 of 64 blocks still taken, 4 of them lent");
        assertThat(BlocksCheck.State.of(MetricsSample.NONE, MetricsSample.NONE)).isEmpty();
    }

    @Test
    void shouldAskWhatNoCacheHasAndWhatFits() {
        var questions = new Questions("m", "Who are you?");
        String prompt =
                questions.unique("[tag]", OptionalInt.of(512)).path("prompt").asString("");
        assertThat(prompt).startsWith("[tag] Who are you?").hasSize(128);
        assertThat(questions.unique("[tag]", OptionalInt.of(16)).path("prompt").asString(""))
                .isEqualTo("[tag]");
        var pairs = new Questions("m", "\uD83D\uDE00\uD83D\uDE00");
        String cut = pairs.unique("[t]", OptionalInt.of(20)).path("prompt").asString("");
        assertThat(Character.isHighSurrogate(cut.charAt(cut.length() - 1))).isFalse();
    }
}
