package dev.tandem.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import dev.tandem.text.template.TemplateException;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.LocalDateTime;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TokenizerTest {
    private static final LocalDateTime NOW = LocalDateTime.parse("2026-01-15T13:05:09");
    private static final Path QWEN = Fixtures.golden("tokenizers/qwen");

    @TempDir
    Path folder;

    @Test
    void shouldNameIdAndLimitOfHostileIds() {
        try (Tokenizer tokenizer = Tokenizer.openFolder(QWEN)) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> tokenizer.decode(new int[] {1, -7}, false))
                    .withMessage("token id -7 is not in [0, 1400)");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> tokenizer.decode(new int[] {1400}, false))
                    .withMessage("token id 1400 is not in [0, 1400)");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> tokenizer.tokenBytes(-1))
                    .withMessageContaining("-1");
            assertThatIllegalArgumentException().isThrownBy(() -> tokenizer.isSpecial(Integer.MIN_VALUE));
            assertThatIllegalArgumentException().isThrownBy(() -> new Detokenizer(tokenizer, true).add(-1));
        }
    }

    @Test
    void shouldGiveNothingForRowsThatPadTheEmbedding() {
        try (Tokenizer tokenizer = Tokenizer.openFolder(QWEN)) {
            assertThat(tokenizer.vocabularySize()).isEqualTo(1400);
            assertThat(tokenizer.tokenBytes(1407)).isEmpty();
            assertThat(tokenizer.tokenText(1407)).isEmpty();
            assertThat(tokenizer.isSpecial(Integer.MAX_VALUE)).isFalse();
            assertThat(new Detokenizer(tokenizer, false).add(1407)).isEmpty();
        }
    }

    @Test
    void shouldTellBytesTextAndKindOfTokens() {
        try (Tokenizer tokenizer = Tokenizer.openFolder(QWEN)) {
            assertThat(tokenizer.tokenText(220)).contains("Ġ");
            assertThat(tokenizer.tokenBytes(220)).isEqualTo(new byte[] {' '});
            assertThat(tokenizer.isSpecial(1392)).isTrue();
            assertThat(tokenizer.isSpecial(1398)).isFalse();
            assertThat(tokenizer.tokenBytes(1398)).isEqualTo("<think>".getBytes(StandardCharsets.UTF_8));
            assertThat(tokenizer.tokenText(1393)).contains("<|im_end|>");
            assertThat(tokenizer.specialTokens())
                    .isEqualTo(Map.of("eos_token", "<|im_end|>", "pad_token", "<|endoftext|>"));
        }
    }

    @Test
    void shouldNotGiveItsOwnBytesAway() {
        try (Tokenizer tokenizer = Tokenizer.openFolder(QWEN)) {
            tokenizer.tokenBytes(220)[0] = 'x';
            assertThat(tokenizer.decode(new int[] {220}, false)).isEqualTo(" ");
        }
    }

    @Test
    void shouldTakeLoneSurrogatesForReplacementCharacters() {
        try (Tokenizer tokenizer = Tokenizer.openFolder(QWEN)) {
            int[] expected = tokenizer.encode("a\uFFFDb\uFFFD😀\uFFFD", false);
            assertThat(tokenizer.encode("a\uD800b\uDC00😀\uD83D", false)).isEqualTo(expected);
        }
    }

    @Test
    void shouldEncodeFromManyThreads() throws Exception {
        try (Tokenizer tokenizer = Tokenizer.openFolder(QWEN);
                ExecutorService threads = Executors.newFixedThreadPool(8)) {
            String text = "def shortest_path(graph): return 'žluťoučký kůň' # 日本語 ".repeat(20);
            int[] expected = tokenizer.encode(text, true);
            List<Callable<int[]>> calls = Collections.nCopies(64, () -> tokenizer.encode(text, true));
            for (Future<int[]> ids : threads.invokeAll(calls)) {
                assertThat(ids.get()).isEqualTo(expected);
            }
        }
    }

    @Test
    void shouldRefuseUseAfterClose() {
        Tokenizer tokenizer = Tokenizer.openFolder(QWEN);
        tokenizer.close();
        tokenizer.close();
        assertThatIllegalStateException().isThrownBy(() -> tokenizer.encode("a", false));
    }

    @Test
    void shouldNameMissingAndBrokenFiles() throws IOException {
        assertThatExceptionOfType(TokenizerException.class)
                .isThrownBy(() -> Tokenizer.openFolder(folder))
                .withMessageContaining("tokenizer.json does not exist");
        Files.writeString(folder.resolve("tokenizer.json"), "{\"model\":");
        assertThatExceptionOfType(TokenizerException.class)
                .isThrownBy(() -> Tokenizer.openFolder(folder))
                .withMessageContaining("is not JSON")
                .matches(e -> e.kind() == TokenizerException.Kind.UNREADABLE);
    }

    @Test
    void shouldRefuseOtherSortsOfVocabulary() throws IOException {
        Files.writeString(folder.resolve("tokenizer.json"), "{\"model\":{\"type\":\"Unigram\",\"vocab\":[]}}");
        assertThatExceptionOfType(TokenizerException.class)
                .isThrownBy(() -> Tokenizer.openFolder(folder))
                .withMessageContaining("its model is Unigram");
        String sentencePiece =
                "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]},\"decoder\":{\"type\":\"Metaspace\"}}";
        Files.writeString(folder.resolve("tokenizer.json"), sentencePiece);
        assertThatExceptionOfType(TokenizerException.class)
                .isThrownBy(() -> Tokenizer.openFolder(folder))
                .withMessageContaining("its decoder is Metaspace")
                .matches(e -> e.kind() == TokenizerException.Kind.UNSUPPORTED);
    }

    @Test
    void shouldIgnoreTruncationAndPaddingOfTheFile() throws IOException {
        String description = Fixtures.text(QWEN.resolve("tokenizer.json"))
                .replaceFirst(
                        "\"truncation\": *null",
                        "\"truncation\":{\"direction\":\"Right\",\"max_length\":4,\"strategy\":\"LongestFirst\",\"stride\":0}");
        assertThat(description).contains("LongestFirst");
        Files.writeString(folder.resolve("tokenizer.json"), description);
        try (Tokenizer tokenizer = Tokenizer.openFolder(folder)) {
            assertThat(tokenizer.encode("a b c d e f g h", true)).hasSize(8);
        }
    }

    @Test
    void shouldRefusePreTokenizersByName() {
        Map<String, Object> metadata = ggufMetadata();
        metadata.put("tokenizer.ggml.pre", "tekken");
        assertThatExceptionOfType(TokenizerException.class)
                .isThrownBy(() -> Tokenizer.ofGguf(metadata))
                .withMessageContaining("tokenizer.ggml.pre tekken");
        metadata.put("tokenizer.ggml.model", "llama");
        assertThatExceptionOfType(TokenizerException.class)
                .isThrownBy(() -> Tokenizer.ofGguf(metadata))
                .withMessageContaining("tokenizer.ggml.model llama");
    }

    @Test
    void shouldSplitSingleDigitsForSmollm() {
        Map<String, Object> metadata = ggufMetadata();
        metadata.put("tokenizer.ggml.pre", "smollm");
        try (Tokenizer tokenizer = Tokenizer.ofGguf(metadata)) {
            List<String> tokens = tokens(tokenizer, "x 123  y");
            assertThat(tokens).containsSubsequence("Ġ", "1", "2", "3");
            assertThat(tokenizer.decode(tokenizer.encode("x 123  y\n\n", false), false))
                    .isEqualTo("x 123  y\n\n");
        }
    }

    @Test
    void shouldAddBosOnlyWhereTheFileOrThePreTokenizerSaysSo() {
        Map<String, Object> metadata = GgufMetadata.read(Fixtures.golden("gguf/llama-q8_0.gguf"));
        metadata.remove("tokenizer.ggml.add_bos_token");
        try (Tokenizer tokenizer = Tokenizer.ofGguf(metadata)) {
            assertThat(tokenizer.encode("a", true)).hasSize(2).startsWith(1493);
        }
        metadata.put("tokenizer.ggml.add_bos_token", false);
        metadata.put("tokenizer.ggml.add_eos_token", true);
        try (Tokenizer tokenizer = Tokenizer.ofGguf(metadata)) {
            assertThat(tokenizer.encode("a", true)).hasSize(2).endsWith(1498);
        }
    }

    @Test
    void shouldAcceptEveryKnownPreTokenizer() {
        Map<String, Object> metadata = ggufMetadata();
        String text = "It's 12345 o'clock,  日本 $x<=>y^2\r\n\t 7½ ";
        for (String pre : PreTokenizers.names()) {
            metadata.put("tokenizer.ggml.pre", pre);
            metadata.put("tokenizer.ggml.add_bos_token", false);
            try (Tokenizer tokenizer = Tokenizer.ofGguf(metadata)) {
                assertThat(tokenizer.decode(tokenizer.encode(text, true), false))
                        .as(pre)
                        .isEqualTo(text);
            }
        }
    }

    private static Map<String, Object> ggufMetadata() {
        return new HashMap<>(GgufMetadata.read(Fixtures.golden("gguf/qwen3-q8_0.gguf")));
    }

    private static List<String> tokens(Tokenizer tokenizer, String text) {
        return Arrays.stream(tokenizer.encode(text, false))
                .mapToObj(id -> tokenizer.tokenText(id).orElseThrow())
                .toList();
    }

    @Test
    void shouldFindTemplatesWhereverAModelKeepsThem() throws IOException {
        Files.copy(Fixtures.golden("tokenizers/qwen/tokenizer.json"), folder.resolve("tokenizer.json"));
        try (Tokenizer bare = Tokenizer.openFolder(folder)) {
            assertThat(bare.chatTemplate()).isEmpty();
        }
        Files.writeString(
                folder.resolve("tokenizer_config.json"),
                "{\"bos_token\":{\"content\":\"<s>\",\"special\":true},\"eos_token\":null,\"chat_template\":["
                        + "{\"name\":\"default\",\"template\":\"D{{ bos_token }}\"},{\"name\":\"tool_use\",\"template\":\"T\"}]}");
        assertThat(rendered()).isEqualTo("D<s>");
        Files.writeString(folder.resolve("chat_template.json"), "{\"chat_template\":\"J\"}");
        assertThat(rendered()).isEqualTo("J");
        Files.writeString(folder.resolve("chat_template.jinja"), "F");
        assertThat(rendered()).isEqualTo("F");
    }

    @Test
    void shouldRefuseFilesThatAreLongerThanAnyTokenizers() throws IOException {
        assertRefused(sparse("tokenizer.json", (64 << 20) + 1), "is longer than 67108864 bytes");
        Files.copy(
                Fixtures.golden("tokenizers/qwen/tokenizer.json"),
                folder.resolve("tokenizer.json"),
                StandardCopyOption.REPLACE_EXISTING);
        assertRefused(sparse("chat_template.jinja", (1 << 20) + 1), "is longer than 1048576 bytes");
        assertRefused(sparse("tokenizer_config.json", (64 << 20) + 1), "is longer than 67108864 bytes");
    }

    private Path sparse(String name, long bytes) throws IOException {
        Path file = folder.resolve(name);
        try (var written = new RandomAccessFile(file.toFile(), "rw")) {
            written.setLength(bytes);
        }
        return file;
    }

    private void assertRefused(Path file, String why) {
        assertThatExceptionOfType(TokenizerException.class)
                .isThrownBy(() -> Tokenizer.openFolder(folder))
                .withMessageContainingAll(file.toString(), why);
    }

    @Test
    void shouldServeCompletionsOfModelsWhoseTemplateIsRefused() throws IOException {
        Files.copy(Fixtures.golden("tokenizers/qwen/tokenizer.json"), folder.resolve("tokenizer.json"));
        Files.writeString(folder.resolve("chat_template.jinja"), "\n{% include 'x' %}");
        try (Tokenizer tokenizer = Tokenizer.openFolder(folder)) {
            assertThat(tokenizer.encode("a", true)).hasSize(1);
            assertThatExceptionOfType(TemplateException.class)
                    .isThrownBy(tokenizer::chatTemplate)
                    .withMessage(
                            "The model's chat template cannot be used: the tag 'include' is not known (template line 2)");
        }
    }

    private String rendered() {
        try (Tokenizer tokenizer = Tokenizer.openFolder(folder)) {
            return tokenizer.chatTemplate().orElseThrow().render(Map.of(), NOW);
        }
    }
}
