package dev.tandem.ops.verify;

import dev.tandem.corpus.Corpus;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** Whatever servers answer to {@code tandem verify}: metrics pages and replies, whole and streamed. A sentence or a value, never a failure. */
class ReplyFuzzTest {
    @Test
    void shouldReadEveryReply() {
        Corpus.replay("verify", ReplyFuzzTest::fuzzerTestOneInput);
    }

    public static void fuzzerTestOneInput(byte[] input) {
        List<String> lines = new String(input, StandardCharsets.UTF_8).lines().toList();
        MetricsSample page = MetricsSample.parse(lines);
        page.sums().keySet().forEach(name -> Corpus.require(!name.isEmpty(), "a series without a name"));
        page.growth(MetricsSample.NONE, "vllm:num_requests_running");
        Corpus.require(page.isOfANode() || page.requests() == 0, "requests of another's page");
        var reply = new Reply(
                200,
                Map.of(),
                lines.stream().map(line -> new Reply.Line(1, line)).toList(),
                Optional.empty());
        Corpus.require(CompletionReader.whole(reply) != null && CompletionReader.streamed(reply) != null, "nothing");
        Corpus.require(reply.complaint().length() < 400, "a long complaint");
    }
}
