package dev.tandem.api.openai;

import dev.tandem.api.StrictJson;
import dev.tandem.corpus.Corpus;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.node.ObjectNode;

/** Requests of OpenAI's clients: taken, or refused with a status of the 400s. */
class RequestFuzzTest {
    @Test
    void shouldTakeOrRefuseEveryRequest() {
        Corpus.replay("openai", RequestFuzzTest::fuzzerTestOneInput);
    }

    public static void fuzzerTestOneInput(byte[] input) {
        ObjectNode body;
        try {
            body = StrictJson.object(input);
        } catch (ApiError refusal) {
            return;
        }
        take(body, CompletionRequest::read);
        take(body, ChatRequest::read);
        take(body, TokenizeRequest::read);
        take(body, request -> new Fields(request).tokenIds("tokens", 1 << 20));
        Object plain = Fields.plain(body);
        Corpus.require(Fields.plain(PlainJson.tree(plain)).equals(plain), "other values when written and read again");
    }

    private static void take(ObjectNode body, Consumer<ObjectNode> reader) {
        try {
            reader.accept(body);
        } catch (ApiError refusal) {
            Corpus.require(refusal.status() == 400, "status " + refusal.status() + " for a client's mistake");
        }
    }
}
