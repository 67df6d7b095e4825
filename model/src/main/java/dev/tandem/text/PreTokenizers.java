package dev.tandem.text;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * How a GGUF vocabulary's {@code tokenizer.ggml.pre} splits text before merging. The names are llama.cpp's ({@code llama-vocab.cpp}); the
 * patterns are those of the models' own tokenizer.json, which llama.cpp restates without the last alternative where it changes nothing.
 */
final class PreTokenizers {
    private static final String WORDS_BEFORE_DIGITS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|";
    private static final String AFTER_DIGITS = "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
    private static final String GPT2 =
            "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

    private static final Rule QWEN2 =
            new Rule(List.of(WORDS_BEFORE_DIGITS + "\\p{N}" + AFTER_DIGITS), true, false, false);
    private static final Rule LLAMA3 =
            new Rule(List.of(WORDS_BEFORE_DIGITS + "\\p{N}{1,3}" + AFTER_DIGITS), false, true, true);
    private static final Rule SMOLLM = new Rule(List.of("\\p{N}", GPT2), false, false, false);
    private static final Rule GPT_2 = new Rule(List.of(GPT2), false, false, false);
    private static final Rule DEFAULT =
            new Rule(List.of("[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]"), false, false, false);
    private static final Rule DEEPSEEK_V3 = new Rule(
            List.of(
                    "\\p{N}{1,3}",
                    "[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+",
                    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
                            + "| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"),
            false,
            false,
            false);

    private static final Map<String, Rule> BY_NAME = Map.of(
            "default", DEFAULT,
            "gpt-2", GPT_2,
            "qwen2", QWEN2,
            "smollm", SMOLLM,
            "deepseek-v3", DEEPSEEK_V3,
            "llama-bpe", LLAMA3,
            "llama3", LLAMA3,
            "llama-v3", LLAMA3);

    /**
     * One way of splitting.
     *
     * @param patterns each isolates its matches in what the one before left
     * @param composes whether text is brought to NFC first
     * @param ignoresMerges whether a piece that is a token as a whole is taken unmerged
     * @param addsBos whether a text begins with the bos token where the file does not say
     */
    record Rule(List<String> patterns, boolean composes, boolean ignoresMerges, boolean addsBos) {
        /** The {@code pre_tokenizer} of a tokenizer.json. */
        ObjectNode preTokenizer() {
            ObjectNode sequence = JsonMapper.shared().createObjectNode().put("type", "Sequence");
            ArrayNode parts = sequence.putArray("pretokenizers");
            for (String pattern : patterns) {
                ObjectNode split = parts.addObject().put("type", "Split");
                split.putObject("pattern").put("Regex", pattern);
                split.put("behavior", "Isolated").put("invert", false);
            }
            parts.add(byteLevel());
            return sequence;
        }
    }

    private PreTokenizers() {}

    static Optional<Rule> find(String name) {
        return Optional.ofNullable(BY_NAME.get(name));
    }

    static List<String> names() {
        return BY_NAME.keySet().stream().sorted().toList();
    }

    /** The step that spells bytes in {@link ByteAlphabet}, as pre-tokenizer and as decoder. */
    static ObjectNode byteLevel() {
        return JsonMapper.shared()
                .createObjectNode()
                .put("type", "ByteLevel")
                .put("add_prefix_space", false)
                .put("trim_offsets", true)
                .put("use_regex", false);
    }
}
