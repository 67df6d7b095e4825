package dev.tandem.preflight.survey;

import dev.tandem.corpus.Corpus;
import dev.tandem.preflight.host.HostBarrierException;
import org.junit.jupiter.api.Test;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** What another node says of itself where checks meet: read and written back as the same, or refused as no such facts. */
class PeerFactsFuzzTest {
    @Test
    void shouldReadOrRefuseAllFacts() {
        Corpus.replay("facts", PeerFactsFuzzTest::fuzzerTestOneInput);
    }

    public static void fuzzerTestOneInput(byte[] input) {
        JsonNode json;
        try {
            json = JsonMapper.shared().readTree(input);
        } catch (JacksonException notJson) {
            return;
        }
        try {
            PeerFacts facts = PeerFacts.read(json);
            Corpus.require(PeerFacts.read(facts.toJson()).equals(facts), "other facts when written and read again");
        } catch (HostBarrierException refusal) {
            Corpus.require(refusal.kind() == HostBarrierException.Kind.BROKEN, "refused as " + refusal.kind());
        }
    }
}
