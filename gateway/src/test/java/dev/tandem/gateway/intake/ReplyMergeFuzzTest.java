package dev.tandem.gateway.intake;

import dev.tandem.api.StrictJson;
import dev.tandem.api.openai.ApiError;
import dev.tandem.corpus.Corpus;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

/** Replies of two nodes, with a NUL between, as one reply and as events: merged, or refused where one is not a JSON object. */
class ReplyMergeFuzzTest {
    /** Two of each sequence, and a last one. */
    private static final int MAX_EVENTS = 5;

    @Test
    void shouldMergeOrRefuseAllReplies() {
        Corpus.replay("merge", ReplyMergeFuzzTest::fuzzerTestOneInput);
    }

    public static void fuzzerTestOneInput(byte[] input) {
        String text = new String(input, StandardCharsets.UTF_8);
        int end = Math.max(0, text.indexOf('\0'));
        try {
            var merge = new ReplyMerge("cmpl-1", 1, 2);
            merge.add(0, text.substring(0, end).getBytes(StandardCharsets.UTF_8));
            merge.add(1, text.substring(end).strip().getBytes(StandardCharsets.UTF_8));
            Corpus.require(StrictJson.object(merge.whole()).has("choices"), "a reply without choices");
        } catch (ApiError refusal) {
            Corpus.require(refusal.status() == 400, "status " + refusal.status());
        }
        var merge = new ReplyMerge("cmpl-1", 2, 2);
        int sequence = 0;
        for (String event : text.split("\0", MAX_EVENTS)) {
            try {
                merge.event(sequence++ & 1, event)
                        .ifPresent(out -> Corpus.require(out[out.length - 1] == '\n', "half an event"));
            } catch (ApiError refusal) {
                Corpus.require(refusal.status() == 400, "status " + refusal.status());
            }
        }
        merge.usageEvent().ifPresent(out -> Corpus.require(out[out.length - 1] == '\n', "half an event"));
    }
}
