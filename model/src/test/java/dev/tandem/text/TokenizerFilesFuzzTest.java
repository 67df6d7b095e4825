package dev.tandem.text;

import dev.tandem.corpus.Corpus;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Tokenizer descriptions as far as Java reads them: byte 0 chooses between a {@code tokenizer.json} and the keys of a GGUF vocabulary. Read
 * or refused; the native library, which aborts the process where it fails, is not called.
 */
class TokenizerFilesFuzzTest {
    private static final JsonMapper JSON = JsonMapper.shared();

    @Test
    void shouldReadOrRefuseEveryDescription() {
        Corpus.replay("tokenizer", TokenizerFilesFuzzTest::fuzzerTestOneInput);
    }

    public static void fuzzerTestOneInput(byte[] input) {
        if (input.length == 0) {
            return;
        }
        JsonNode tree;
        try {
            tree = JSON.readTree(new String(input, 1, input.length - 1, StandardCharsets.UTF_8));
        } catch (JacksonException notJson) {
            return;
        }
        try {
            if ((input[0] & 1) == 0) {
                readVocabulary(tree);
            } else {
                readGguf(tree);
            }
        } catch (TokenizerException refusal) {
            Corpus.require(refusal.getMessage() != null, "refused without a word");
        }
    }

    private static void readVocabulary(JsonNode description) {
        Vocabulary vocabulary = Vocabulary.of(description, "fuzzed");
        var text = new StringBuilder();
        var utf8 = new Utf8Stream();
        for (int id = 0; id <= Math.min(vocabulary.size(), 1_000); id++) {
            utf8.decode(vocabulary.bytes(id), text);
            Corpus.require(vocabulary.text(id) != null || vocabulary.bytes(id).length == 0, "bytes without a text");
            vocabulary.isSpecial(id);
        }
        utf8.finish(text);
    }

    private static void readGguf(JsonNode keys) {
        Map<String, Object> metadata = new HashMap<>();
        keys.properties().forEach(key -> metadata.put("tokenizer." + key.getKey(), plain(key.getValue())));
        TokenizerSource source = new GgufVocabulary(metadata).source();
        readVocabulary(source.description());
    }

    /** As GGUF files give them: texts, numbers, booleans and lists of these. */
    private static Object plain(JsonNode value) {
        if (value.isArray()) {
            return List.copyOf(
                    value.valueStream().map(TokenizerFilesFuzzTest::plain).toList());
        }
        if (value.isBoolean()) {
            return value.booleanValue();
        }
        return value.isNumber() ? (Object) value.numberValue() : value.asString("");
    }
}
