package dev.tandem.api.openai;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.api.openai.ReplyBuilder.Kind;
import dev.tandem.api.openai.ReplyPiece.Ending;
import dev.tandem.api.openai.ReplyPiece.TokenLogprob;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** Spliced chunks beside the trees that Jackson writes. */
class ChunkTemplateTest {
    private static final List<String> TEXTS = List.of(
            "",
            " the",
            "a \"quoted\" \\ back/slash",
            "line\nfeed\r\n\ttab\b\f",
            "\u0000\u0001\u001f\u007f",
            "é ß 漢字 \uD83D\uDE00 \u2028\u2029 </script>",
            "half a pair: \uD83D and \uDE00",
            "x".repeat(20_000));

    private static final List<TokenLogprob> LOGPROBS = List.of(
            new TokenLogprob(
                    " \"the\"",
                    List.of(32, 116, 255),
                    -0.12345678f,
                    7,
                    List.of(new TokenLogprob(" a\n", List.of(), -2.5f, 7, List.of()))),
            new TokenLogprob("", List.of(), Float.NEGATIVE_INFINITY, 8, List.of()));

    private static final List<Optional<Ending>> ENDINGS = List.of(
            Optional.empty(),
            Optional.of(new Ending("length", Optional.empty())),
            Optional.of(new Ending("stop", Optional.of("\n\"end\""))),
            Optional.of(new Ending("stop", Optional.of(151645))),
            Optional.of(new Ending("abort", Optional.empty())));

    private static final List<Optional<ReplyUsage>> USAGES = List.of(
            Optional.empty(),
            Optional.of(new ReplyUsage(3, 4, 2, Map.of())),
            Optional.of(new ReplyUsage(3, 4, 2, Map.of("prefill", "remote", "handoff_ms", 1.25))));

    private static ReplyBuilder builder(Kind kind) {
        return new ReplyBuilder(kind, RequestId.ofReply(kind, "a.b-1"), 1_700_000_000, "/models/a \"model\"\\é");
    }

    @ParameterizedTest
    @EnumSource(Kind.class)
    void shouldWriteTheBytesOfTheTreeForEveryShape(Kind kind) {
        ReplyBuilder builder = builder(kind);
        for (int index : new int[] {0, 12}) {
            ChunkTemplate chunks = builder.chunks(index);
            for (String text : TEXTS) {
                for (Optional<Ending> ending : ENDINGS) {
                    for (Optional<ReplyUsage> usage : USAGES) {
                        for (Optional<List<TokenLogprob>> logprobs :
                                List.of(Optional.<List<TokenLogprob>>empty(), Optional.of(LOGPROBS))) {
                            for (Optional<List<Integer>> ids :
                                    List.of(Optional.<List<Integer>>empty(), Optional.of(List.of(1, 99_999)))) {
                                var piece = new ReplyPiece(index, text, logprobs, ids, ending);
                                assertThat(chunks.event(piece, usage)).isEqualTo(tree(builder, piece, usage));
                            }
                        }
                    }
                }
            }
        }
    }

    @Test
    void shouldEscapeEveryCharacterAsJacksonDoes() {
        ReplyBuilder builder = builder(Kind.CHAT);
        ChunkTemplate chunks = builder.chunks(0);
        for (int block = 0; block < 0x11_0000; block += 0x100) {
            var text = new StringBuilder();
            for (int c = block; c < block + 0x100; c++) {
                text.appendCodePoint(c);
            }
            var piece = new ReplyPiece(0, text.toString(), Optional.empty(), Optional.empty(), Optional.empty());
            assertThat(chunks.event(piece, Optional.empty()))
                    .as("from U+%04X", block)
                    .isEqualTo(tree(builder, piece, Optional.empty()));
        }
    }

    /** The chunk as a tree, built field by field. */
    private static byte[] tree(ReplyBuilder builder, ReplyPiece piece, Optional<ReplyUsage> usage) {
        ObjectNode chunk = JsonNodeFactory.instance.objectNode();
        boolean isChat = builder.kind() == Kind.CHAT;
        chunk.put("id", builder.id());
        chunk.put("object", isChat ? "chat.completion.chunk" : "text_completion");
        chunk.put("created", builder.createdSeconds());
        chunk.put("model", builder.model());
        ObjectNode choice = chunk.putArray("choices").addObject();
        choice.put("index", piece.index());
        if (isChat) {
            choice.putObject("delta").put("content", piece.text());
        } else {
            choice.put("text", piece.text());
        }
        builder.fill(choice, piece);
        usage.ifPresent(counts -> chunk.set("usage", counts.toJson()));
        return ("data: " + chunk + "\n\n").getBytes(StandardCharsets.UTF_8);
    }
}
