package dev.tandem.text;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

/** What Hugging Face transformers makes of the same vocabularies and texts. */
class TokenizerGoldenTest {
    @ParameterizedTest
    @ValueSource(strings = {"qwen", "llama", "deepseek"})
    void shouldEncodeAsTransformers(String name) {
        try (Tokenizer tokenizer = Tokenizer.openFolder(Fixtures.golden("tokenizers/" + name))) {
            List<JsonNode> rows = textRows(name).toList();
            assertThat(rows).hasSizeGreaterThan(150);
            for (JsonNode row : rows) {
                assertSameIds(tokenizer, row);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "qwen3-bf16=qwen",
                "qwen3-q8_0=qwen",
                "qwen3-moe-q4_0=qwen",
                "llama-q8_0=llama",
                "llama-q4_0=llama"
            })
    void shouldGiveSameIdsFromGgufVocabulary(String pair) {
        String[] names = pair.split("=");
        try (Tokenizer tokenizer = gguf(names[0])) {
            textRows(names[1]).forEach(row -> assertSameIds(tokenizer, row));
            assertDecodesAllRows(tokenizer, names[1]);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"qwen3-q4_0=qwen", "llama-q4_0=llama"})
    void shouldDescribeGgufTokensAsTheFolderDoes(String pair) {
        String[] names = pair.split("=");
        try (Tokenizer gguf = gguf(names[0]);
                Tokenizer folder = Tokenizer.openFolder(Fixtures.golden("tokenizers/" + names[1]))) {
            assertThat(gguf.vocabularySize()).isEqualTo(folder.vocabularySize());
            for (int id = 0; id < folder.vocabularySize() + 10; id++) {
                assertThat(gguf.tokenText(id)).isEqualTo(folder.tokenText(id));
                assertThat(gguf.tokenBytes(id)).isEqualTo(folder.tokenBytes(id));
                assertThat(gguf.isSpecial(id)).as("id %d", id).isEqualTo(folder.isSpecial(id));
            }
            assertThat(gguf.specialTokens())
                    .containsEntry("eos_token", folder.specialTokens().get("eos_token"));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"qwen", "llama", "deepseek"})
    void shouldDecodeAsTransformers(String name) {
        try (Tokenizer tokenizer = Tokenizer.openFolder(Fixtures.golden("tokenizers/" + name))) {
            assertDecodesAllRows(tokenizer, name);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"qwen", "llama", "deepseek"})
    void shouldStreamEveryRowInTheSamePieces(String name) {
        try (Tokenizer tokenizer = Tokenizer.openFolder(Fixtures.golden("tokenizers/" + name))) {
            for (JsonNode row : Fixtures.rows(Fixtures.golden("tokenizers/" + name + "/tokenize.jsonl"))) {
                assertPieces(new Detokenizer(tokenizer, false), row, "pieces", "tail");
                assertPieces(new Detokenizer(tokenizer, true), row, "pieces_skip", "tail_skip");
            }
        }
    }

    private static Tokenizer gguf(String name) {
        return Tokenizer.ofGguf(GgufMetadata.read(Fixtures.golden("gguf/" + name + ".gguf")));
    }

    private static Stream<JsonNode> textRows(String name) {
        return Fixtures.rows(Fixtures.golden("tokenizers/" + name + "/tokenize.jsonl")).stream()
                .filter(row -> row.path("text").isString());
    }

    private static void assertSameIds(Tokenizer tokenizer, JsonNode row) {
        String text = row.path("text").stringValue();
        assertThat(tokenizer.encode(text, false)).as(text).isEqualTo(Fixtures.ids(row.path("ids")));
        assertThat(tokenizer.encode(text, true)).as(text).isEqualTo(Fixtures.ids(row.path("ids_special")));
    }

    private static void assertDecodesAllRows(Tokenizer tokenizer, String name) {
        for (JsonNode row : Fixtures.rows(Fixtures.golden("tokenizers/" + name + "/tokenize.jsonl"))) {
            int[] ids = decodedIds(row);
            assertThat(tokenizer.decode(ids, false))
                    .isEqualTo(row.path("decoded").stringValue());
            assertThat(tokenizer.decode(ids, true))
                    .isEqualTo(row.path("decoded_skip").stringValue());
        }
    }

    private static void assertPieces(Detokenizer detokenizer, JsonNode row, String pieces, String tail) {
        List<String> actual = new ArrayList<>();
        for (int id : decodedIds(row)) {
            actual.add(detokenizer.add(id));
        }
        List<String> expected =
                row.path(pieces).valueStream().map(JsonNode::stringValue).toList();
        assertThat(actual).isEqualTo(expected);
        assertThat(detokenizer.finish()).isEqualTo(row.path(tail).stringValue());
    }

    /** Decoding is of the ids with special tokens, or of the bare ids where no text gives them. */
    private static int[] decodedIds(JsonNode row) {
        return Fixtures.ids(row.path(row.path("text").isNull() ? "ids" : "ids_special"));
    }
}
