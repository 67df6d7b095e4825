package dev.tandem.ops.topology;

import dev.tandem.corpus.Corpus;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

/** Topology files: read, or refused with file and line. */
class TopologyFuzzTest {
    @Test
    void shouldReadOrRefuseEveryTopology() {
        Corpus.replay("topology", TopologyFuzzTest::fuzzerTestOneInput);
    }

    public static void fuzzerTestOneInput(byte[] input) {
        try {
            Topology topology = new TopologyReader("fuzzed").read(new String(input, StandardCharsets.UTF_8));
            Corpus.require(topology.gateway().port() >= 0, "a gateway without a port");
        } catch (TopologyException refusal) {
            Corpus.require(String.valueOf(refusal.getMessage()).startsWith("fuzzed "), "refused without the place");
        }
    }
}
