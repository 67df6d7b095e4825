package dev.tandem.engine.handoff.ranktable;

import dev.tandem.corpus.Corpus;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

/** Rank tables that a person or another program wrote: read and written back as the same, or refused with the place. */
class RankTableFuzzTest {
    @Test
    void shouldReadOrRefuseEveryRankTable() {
        Corpus.replay("ranktable", RankTableFuzzTest::fuzzerTestOneInput);
    }

    public static void fuzzerTestOneInput(byte[] input) {
        try {
            RankTable table = new RankTableReader("fuzzed").parse(input);
            byte[] written = table.toJson().getBytes(StandardCharsets.UTF_8);
            Corpus.require(new RankTableReader("again").parse(written).equals(table), "another table when read again");
        } catch (RankTableException refusal) {
            String message = String.valueOf(refusal.getMessage());
            Corpus.require(message.startsWith("fuzzed: "), "refused without the place: " + message);
            Corpus.require(message.length() < 2_000, "a long refusal");
        }
    }
}
