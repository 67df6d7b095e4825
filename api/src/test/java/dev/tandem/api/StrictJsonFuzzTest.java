package dev.tandem.api;

import dev.tandem.api.openai.ApiError;
import dev.tandem.corpus.Corpus;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.node.ObjectNode;

/** Bodies of requests: read whole and written back as the same, or refused with status 400. */
class StrictJsonFuzzTest {
    @Test
    void shouldReadOrRefuseEveryBody() {
        Corpus.replay("json", StrictJsonFuzzTest::fuzzerTestOneInput);
    }

    public static void fuzzerTestOneInput(byte[] input) {
        ObjectNode object;
        try {
            object = StrictJson.object(input);
        } catch (ApiError refusal) {
            Corpus.require(refusal.status() == 400, "status " + refusal.status() + " for a body that is not JSON");
            return;
        }
        byte[] written = StrictJson.bytes(object);
        if (Corpus.latin1(written).contains("Infinity")) {
            return; // a number that no double holds is read as infinite, and JSON has no word for that
        }
        Corpus.require(StrictJson.object(written).equals(object), "another object when written and read again");
    }
}
