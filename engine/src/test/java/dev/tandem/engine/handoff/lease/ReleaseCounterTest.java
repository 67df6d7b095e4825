package dev.tandem.engine.handoff.lease;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.engine.handoff.KvFixtures;
import dev.tandem.kv.KvLayout;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ReleaseCounterTest {
    private static final Map<Integer, Integer> NOTHING = Map.of();

    /** Counts as v0.11.0rc1 makes them: its D ranks times the P ranks that each of them reads. */
    @ParameterizedTest
    @CsvSource({
        // heads, P, D, messages, at one port
        "4, 8, 1, 4, 1",
        "4, 8, 2, 4, 1",
        "4, 8, 4, 4, 1",
        "4, 8, 8, 8, 1",
        "8, 8, 2, 8, 1",
        "8, 4, 2, 4, 1",
        "8, 1, 1, 1, 1",
        "1, 8, 1, 1, 1",
        "1, 8, 4, 4, 1",
        "1, 16, 16, 16, 1",
        "2, 16, 4, 4, 1",
        "8, 1, 4, 4, 4",
        "8, 2, 8, 8, 4"
    })
    void shouldExpectWhatAForeignDecodeEngineSends(int heads, int prefill, int decode, int messages, int atOnePort) {
        assertThat(ReleaseQuorum.of(KvFixtures.layout(16, 1, heads, 8), prefill, decode))
                .isEqualTo(new ReleaseQuorum(prefill, messages, atOnePort));
    }

    @ParameterizedTest
    @CsvSource({
        // P, D, messages, at one port
        "16, 16, 16, 1",
        "16, 4, 4, 1",
        "16, 1, 1, 1",
        "4, 16, 16, 4"
    })
    void shouldCountCachesWithoutHeadsAsOneHead(int prefill, int decode, int messages, int atOnePort) {
        KvLayout latents = KvFixtures.latents(1, 16).getFirst();
        assertThat(ReleaseQuorum.of(latents, prefill, decode))
                .isEqualTo(new ReleaseQuorum(prefill, messages, atOnePort));
    }

    @Test
    void shouldEndWithTheLastOfADecodeEngineThatReadsASubsetOfTheRanks() {
        ReleaseCounter count = count(4, 8, 2);
        for (int rank : List.of(1, 3, 5)) {
            assertThat(count.add(rank, NOTHING)).isFalse();
        }
        assertThat(count.add(7, NOTHING)).isTrue();
    }

    @Test
    void shouldNotTakeARepetitionForTheOneThatIsMissing() {
        ReleaseCounter count = count(4, 8, 2);
        for (int rank : List.of(1, 3, 5, 5, 3, 1, 1)) {
            assertThat(count.add(rank, NOTHING)).isFalse();
        }
        assertThat(count.add(7, NOTHING)).isTrue();
    }

    @Test
    void shouldEndWithOneMessageThatSpeaksForAllRanks() {
        assertThat(count(4, 8, 8).add(0, Map.of(0, 1))).isTrue();
    }

    @Test
    void shouldWaitForAsManyAsEachPortIsAnnounced() {
        ReleaseCounter count = count(1, 2, 1);
        Map<Integer, Integer> announced = Map.of(0, 2, 1, 0);
        assertThat(count.add(1, announced))
                .as("a port that nothing is read from is told too")
                .isFalse();
        assertThat(count.add(0, announced)).isFalse();
        assertThat(count.add(0, announced)).isTrue();
    }

    @Test
    void shouldGoOnBeingCompleteAfterTheLast() {
        ReleaseCounter count = count(1, 1, 1);
        assertThat(count.add(0, NOTHING)).isTrue();
        assertThat(count.add(0, NOTHING)).isTrue();
    }

    private static ReleaseCounter count(int heads, int prefill, int decode) {
        return new ReleaseCounter(ReleaseQuorum.of(KvFixtures.layout(16, 1, heads, 8), prefill, decode));
    }
}
