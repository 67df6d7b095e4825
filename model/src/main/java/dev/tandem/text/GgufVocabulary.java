package dev.tandem.text;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Turns the vocabulary of a GGUF file ({@code tokenizer.ggml.*}, see the GGUF specification) into the description that tokenizer.json
 * would have given.
 */
final class GgufVocabulary {
    private static final String PREFIX = "tokenizer.ggml.";
    private static final String TEMPLATE = "tokenizer.chat_template";
    /** {@code token_type} values. */
    private static final int NORMAL = 1;

    private static final int UNKNOWN = 2;
    private static final int CONTROL = 3;
    private static final int USER_DEFINED = 4;
    private static final int UNUSED = 5;

    private final Map<String, Object> metadata;
    private final List<?> tokens;
    private final List<?> types;
    private final PreTokenizers.Rule rule;

    GgufVocabulary(Map<String, Object> metadata) {
        this.metadata = metadata;
        String model = string("model", "none");
        if (!model.equals("gpt2")) {
            throw unsupported(PREFIX + "model " + model + ", only gpt2 (byte-level BPE) is handled");
        }
        if (flag("add_space_prefix", false)) {
            throw unsupported(PREFIX + "add_space_prefix true, which byte-level vocabularies do not have");
        }
        String pre = string("pre", "default");
        rule = PreTokenizers.find(pre)
                .orElseThrow(
                        () -> unsupported(PREFIX + "pre " + pre + ", only " + PreTokenizers.names() + " are handled"));
        tokens = list("tokens");
        types = metadata.containsKey(PREFIX + "token_type") ? list("token_type") : List.of();
        if (!types.isEmpty() && types.size() != tokens.size()) {
            throw unsupported(tokens.size() + " tokens but " + types.size() + " token types");
        }
    }

    TokenizerSource source() {
        ObjectNode description = JsonMapper.shared().createObjectNode().put("version", "1.0");
        description.putNull("truncation").putNull("padding");
        addTokens(description.putArray("added_tokens"));
        if (rule.composes()) {
            description.putObject("normalizer").put("type", "NFC");
        }
        description.set("pre_tokenizer", rule.preTokenizer());
        addPostProcessor(description);
        description.set("decoder", PreTokenizers.byteLevel());
        addModel(description.putObject("model"));
        return new TokenizerSource("The GGUF vocabulary", description, specialTokens(), template());
    }

    private void addTokens(ArrayNode added) {
        for (int id = 0; id < tokens.size(); id++) {
            int type = type(id);
            if (type == CONTROL || type == USER_DEFINED || type == UNKNOWN) {
                added.addObject()
                        .put("id", id)
                        .put("content", token(id))
                        .put("single_word", false)
                        .put("lstrip", false)
                        .put("rstrip", false)
                        .put("normalized", false)
                        .put("special", type != USER_DEFINED);
            }
        }
    }

    private void addModel(ObjectNode model) {
        model.put("type", "BPE").put("ignore_merges", rule.ignoresMerges()).put("byte_fallback", false);
        ObjectNode vocabulary = model.putObject("vocab");
        for (int id = 0; id < tokens.size(); id++) {
            int type = type(id);
            if (type == NORMAL) {
                vocabulary.put(token(id), id);
            } else if (type < NORMAL || type > UNUSED) {
                throw unsupported("token " + id + " is of type " + type);
            }
        }
        ArrayNode merges = model.putArray("merges");
        for (Object merge : list("merges")) {
            String pair = String.valueOf(merge);
            int space = pair.indexOf(' ', 1);
            if (space < 0) {
                throw unsupported("merge '" + pair + "' is not a pair");
            }
            merges.addArray().add(pair.substring(0, space)).add(pair.substring(space + 1));
        }
    }

    private void addPostProcessor(ObjectNode description) {
        boolean addsBos = flag("add_bos_token", rule.addsBos());
        boolean addsEos = flag("add_eos_token", false);
        if (!addsBos && !addsEos) {
            return;
        }
        ObjectNode processor = description.putObject("post_processor").put("type", "TemplateProcessing");
        ArrayNode single = processor.putArray("single");
        ObjectNode special = processor.putObject("special_tokens");
        if (addsBos) {
            addSpecial(single, special, requiredTokenId("bos_token_id"));
        }
        single.addObject().putObject("Sequence").put("id", "A").put("type_id", 0);
        if (addsEos) {
            addSpecial(single, special, requiredTokenId("eos_token_id"));
        }
        ArrayNode pair = processor.putArray("pair");
        pair.addObject().putObject("Sequence").put("id", "A").put("type_id", 0);
        pair.addObject().putObject("Sequence").put("id", "B").put("type_id", 1);
    }

    private void addSpecial(ArrayNode single, ObjectNode special, int id) {
        String text = token(id);
        single.addObject().putObject("SpecialToken").put("id", text).put("type_id", 0);
        ObjectNode entry = special.putObject(text).put("id", text);
        entry.putArray("ids").add(id);
        entry.putArray("tokens").add(text);
    }

    private Map<String, String> specialTokens() {
        Map<String, String> special = new TreeMap<>();
        Map<String, String> keys = Map.of(
                "bos_token", "bos_token_id",
                "eos_token", "eos_token_id",
                "unk_token", "unknown_token_id",
                "pad_token", "padding_token_id");
        keys.forEach((name, key) -> {
            OptionalInt id = tokenId(key);
            if (id.isPresent()) {
                special.put(name, token(id.getAsInt()));
            }
        });
        return Map.copyOf(special);
    }

    private Optional<String> template() {
        return metadata.get(TEMPLATE) instanceof String text ? Optional.of(text) : Optional.empty();
    }

    private int type(int id) {
        return types.isEmpty() ? NORMAL : number("token_type", types.get(id));
    }

    private String token(int id) {
        return tokens.get(id) instanceof String text ? text : badValue("tokens");
    }

    private int requiredTokenId(String key) {
        return tokenId(key)
                .orElseThrow(() -> unsupported(PREFIX + key + " is missing, but texts shall begin or end with it"));
    }

    private OptionalInt tokenId(String key) {
        Object value = metadata.get(PREFIX + key);
        if (value == null) {
            return OptionalInt.empty();
        }
        int id = number(key, value);
        if (id < 0 || id >= tokens.size()) {
            throw unsupported(PREFIX + key + " " + id + " is not in [0, " + tokens.size() + ")");
        }
        return OptionalInt.of(id);
    }

    private List<?> list(String key) {
        return switch (metadata.get(PREFIX + key)) {
            case List<?> list -> list;
            case Object[] array -> Arrays.asList(array);
            case int[] array -> Arrays.stream(array).boxed().toList();
            case null -> throw unsupported(PREFIX + key + " is missing");
            default -> throw unsupported(PREFIX + key + " is not an array");
        };
    }

    private String string(String key, String absent) {
        Object value = metadata.get(PREFIX + key);
        return value == null ? absent : value instanceof String text ? text : badValue(key);
    }

    private boolean flag(String key, boolean absent) {
        Object value = metadata.get(PREFIX + key);
        if (value == null) {
            return absent;
        }
        if (value instanceof Boolean flag) {
            return flag;
        }
        throw unsupported(PREFIX + key + " is not a boolean");
    }

    private static int number(String key, @Nullable Object value) {
        if (value instanceof Number number) {
            return number.intValue();
        }
        throw unsupported(PREFIX + key + " holds " + value + " where a number is due");
    }

    private static String badValue(String key) {
        throw unsupported(PREFIX + key + " holds something that is not a string");
    }

    private static TokenizerException unsupported(String reason) {
        return new TokenizerException(
                TokenizerException.Kind.UNSUPPORTED, "The GGUF vocabulary cannot be used: " + reason);
    }
}
