package dev.tandem.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** What goes wrong inside the native library ends the process, so a test that fails here may take its JVM with it. */
class NativeTextLimitTest {
    private static final String LLAMA_3 = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|"
            + " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
    private static final String CASED =
            "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+END|"
                    + "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*END|"
                    + "\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
    /** Split patterns of public checkpoints that have to be served whole contexts. */
    private static final List<String> PUBLISHED = List.of(
            LLAMA_3,
            LLAMA_3.replace("{1,3}", ""),
            LLAMA_3.replace("\\p{L}+", "[\\p{L}\\p{M}]+"),
            CASED.replace("END", ""),
            CASED.replace("END", "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"),
            "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}++|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*+|\\s++$|"
                    + "\\s*[\\r\\n]|\\s+(?!\\S)|\\s",
            "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
            "\\p{N}{1,3}",
            "[一-龥぀-ゟ゠-ヿ]+",
            "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|"
                    + " ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
            "[\\r\\n]",
            "\\s?[A-Za-zµÀ-ÖØ-ö]+",
            "[0-9][0-9][0-9]",
            " ?[^(\\s|[.,!?…。，、।۔،])]+");

    @TempDir
    Path folder;

    @Test
    void shouldRefuseTheBlanksThatWouldEndTheProcess() throws IOException {
        try (Tokenizer tokenizer = Tokenizer.openFolder(Fixtures.golden("tokenizers/deepseek"))) {
            String blanks = " ".repeat(10_000_000);
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> tokenizer.encode(blanks, false))
                    .withMessage("the text has 10000000 characters, more than 2097152");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {" ", "中"})
    void shouldEncodeTheLongestTextThatIsAllowed(String character) {
        try (Tokenizer tokenizer = Tokenizer.openFolder(Fixtures.golden("tokenizers/qwen"))) {
            assertThat(tokenizer.maxTextLength()).isBetween(1 << 20, NativeTextLimit.MOST);
            assertThat(tokenizer.encode(character.repeat(tokenizer.maxTextLength()), false))
                    .isNotEmpty();
        }
    }

    @Test
    void shouldLetPublishedPatternsTakeWholeContexts() {
        for (String pattern : PUBLISHED) {
            assertThat(NativeTextLimit.of(splitting(pattern), "test"))
                    .as(pattern)
                    .isGreaterThan(1 << 20);
        }
    }

    @Test
    void shouldAllowShorterTextsWherePatternsReadAheadInVain() throws IOException {
        ObjectNode description = splitting("\\s+$");
        assertThat(NativeTextLimit.of(description, "test")).isBetween(1 << 14, 1 << 15);
        try (Tokenizer tokenizer = open(description)) {
            String text = " ".repeat(tokenizer.maxTextLength() - 1) + "a";
            assertThat(tokenizer.encode(text, false)).isNotEmpty();
        }
    }

    @Test
    void shouldNamePatternAndPlaceOfANestedRepetition() throws IOException {
        ObjectNode description = splitting("(a+)+b");
        assertThatExceptionOfType(TokenizerException.class)
                .isThrownBy(() -> open(description))
                .withMessageEndingWith(
                        "tokenizer.json cannot be used: its pattern (a+)+b has a repetition within a repetition"
                                + " at character 4")
                .matches(e -> e.kind() == TokenizerException.Kind.UNSUPPORTED);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "(?:a|a)*b",
                "(?:a{1,1000}){1,1000}b",
                "a+a+b",
                "(?!(?:aa{0,20}a+|[ab]*?\\s)\\s)[ab]",
                "\\p{N}{1,3}+b",
                "(?:a?){40}b",
                "(?=(?:a+)+b)",
                "(?<=a+)b",
                "(a*)\\1b",
                "(?<x>a)\\g<x>",
                "a(?i)b|c",
                "(*FAIL)",
                "a**",
                "[]a]",
                "[[:alpha]",
                "(a",
                "a)",
                "\\K",
                "\\"
            })
    void shouldRefusePatternsThatItCannotBound(String pattern) {
        assertThatExceptionOfType(TokenizerException.class)
                .isThrownBy(() -> NativeTextLimit.of(splitting(pattern), "test"))
                .withMessageStartingWith("test cannot be used: its pattern " + pattern + " has ");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{'type':'Replace','pattern':{'String':''},'content':'xy'}",
                "{'type':'Replace','pattern':{'Regex':'x*'},'content':'y'}",
                "{'type':'Replace','pattern':{'Regex':'(a+)+b'},'content':'y'}",
                "{'type':'Sequence','normalizers':[{'type':'Precompiled','precompiled_charsmap':'AAAA'}]}",
                "{'type':'Unheard'}"
            })
    void shouldRefuseNormalizersThatWouldEndTheProcess(String normalizer) {
        ObjectNode description = golden();
        description.set("normalizer", JsonMapper.shared().readTree(normalizer.replace('\'', '"')));
        assertThatExceptionOfType(TokenizerException.class)
                .isThrownBy(() -> NativeTextLimit.of(description, "test"))
                .withMessageStartingWith("test cannot be used: ");
    }

    @Test
    void shouldRefuseAReplacementThatMakesTextsTooLong() {
        ObjectNode description = golden();
        ObjectNode replace = description.putObject("normalizer").put("type", "Replace");
        replace.putObject("pattern").put("String", "a");
        replace.put("content", "b".repeat(200));
        ObjectNode twice = golden();
        twice.putObject("normalizer")
                .put("type", "Sequence")
                .putArray("normalizers")
                .add(replace)
                .add(replace);
        assertThatExceptionOfType(TokenizerException.class)
                .isThrownBy(() -> NativeTextLimit.of(twice, "test"))
                .withMessageContaining("Replace makes one character 40000");
    }

    @Test
    void shouldTakeTheStringReplacementsOfSentencePieceVocabularies() {
        ObjectNode description = golden();
        ObjectNode sequence = description.putObject("normalizer").put("type", "Sequence");
        var parts = sequence.putArray("normalizers");
        parts.addObject().put("type", "Prepend").put("prepend", "▁");
        parts.addObject()
                .put("type", "Replace")
                .put("content", "▁")
                .putObject("pattern")
                .put("String", " ");
        assertThat(NativeTextLimit.of(description, "test")).isEqualTo(NativeTextLimit.MOST);
    }

    @Test
    void shouldRefusePiecesWithoutLength() {
        ObjectNode description = golden();
        description.putObject("pre_tokenizer").put("type", "FixedLength").put("length", 0);
        assertThatExceptionOfType(TokenizerException.class)
                .isThrownBy(() -> NativeTextLimit.of(description, "test"))
                .withMessage("test cannot be used: FixedLength's length 0 is below 1");
    }

    /** A golden description without normalizer whose pre-tokenizer is one pattern. */
    private static ObjectNode splitting(String pattern) {
        ObjectNode description = golden();
        ObjectNode sequence = description.putObject("pre_tokenizer").put("type", "Sequence");
        var parts = sequence.putArray("pretokenizers");
        ObjectNode split = parts.addObject()
                .put("type", "Split")
                .put("behavior", "Isolated")
                .put("invert", false);
        split.putObject("pattern").put("Regex", pattern);
        parts.add(PreTokenizers.byteLevel());
        return description;
    }

    private static ObjectNode golden() {
        Path file = Fixtures.golden("tokenizers/llama").resolve("tokenizer.json");
        return (ObjectNode) JsonMapper.shared().readTree(Fixtures.text(file));
    }

    private Tokenizer open(ObjectNode description) throws IOException {
        Files.writeString(folder.resolve("tokenizer.json"), description.toString());
        return Tokenizer.openFolder(folder);
    }
}
