package dev.tandem.text;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/** Tokens by id as a tokenizer description (tokenizer.json) lists them. Immutable. */
final class Vocabulary {
    private static final byte[] NO_BYTES = {};
    /** An id above this is an error in the file, not a vocabulary. */
    private static final int MAX_IDS = 1 << 22;

    /** [id], null where no token has the id */
    private final @Nullable String[] texts;
    /** [id] */
    private final byte[][] bytes;

    private final BitSet special;

    private Vocabulary(@Nullable String[] texts, byte[][] bytes, BitSet special) {
        this.texts = texts;
        this.bytes = bytes;
        this.special = special;
    }

    /**
     * Reads {@code model.vocab} and {@code added_tokens}.
     *
     * @throws TokenizerException when the description is not of a byte-level BPE vocabulary
     */
    static Vocabulary of(JsonNode description, String source) {
        requireByteLevelBpe(description, source);
        JsonNode model = description.path("model").path("vocab");
        JsonNode added = description.path("added_tokens");
        int size = size(model, added, source);
        String[] texts = new String[size];
        byte[][] bytes = new byte[size][];
        Arrays.fill(bytes, NO_BYTES);
        for (Map.Entry<String, JsonNode> entry : model.properties()) {
            int id = entry.getValue().intValue();
            texts[id] = entry.getKey();
            bytes[id] = ByteAlphabet.bytes(entry.getKey());
        }
        BitSet special = new BitSet(size);
        for (JsonNode token : added) {
            int id = token.path("id").intValue();
            String content = token.path("content").stringValue();
            texts[id] = content;
            bytes[id] = content.getBytes(StandardCharsets.UTF_8);
            special.set(id, token.path("special").asBoolean(false));
        }
        return new Vocabulary(texts, bytes, special);
    }

    int size() {
        return texts.length;
    }

    /** Characters of the longest token, in its own spelling. */
    int longestTokenLength() {
        int longest = 0;
        for (String text : texts) {
            longest = Math.max(longest, text == null ? 0 : text.length());
        }
        return longest;
    }

    /** Bytes of a token, not a copy; empty for ids without one. */
    byte[] bytes(int id) {
        requireNotNegative(id);
        return id < bytes.length ? bytes[id] : NO_BYTES;
    }

    @Nullable
    String text(int id) {
        requireNotNegative(id);
        return id < texts.length ? texts[id] : null;
    }

    boolean isSpecial(int id) {
        requireNotNegative(id);
        return special.get(id);
    }

    private static void requireNotNegative(int id) {
        if (id < 0) {
            throw new IllegalArgumentException("token id " + id + " is negative");
        }
    }

    private static int size(JsonNode model, JsonNode added, String source) {
        int largest = -1;
        for (JsonNode id : model) {
            largest = Math.max(largest, checkedId(id, source));
        }
        for (JsonNode token : added) {
            if (!token.path("content").isString()) {
                throw unsupported(source, "an added token has no content");
            }
            largest = Math.max(largest, checkedId(token.path("id"), source));
        }
        return largest + 1;
    }

    private static int checkedId(JsonNode id, String source) {
        if (!id.isInt() || id.intValue() < 0 || id.intValue() >= MAX_IDS) {
            throw unsupported(source, "token id " + id + " is not in [0, " + MAX_IDS + ")");
        }
        return id.intValue();
    }

    private static void requireByteLevelBpe(JsonNode description, String source) {
        JsonNode model = description.path("model");
        String type = model.path("type").asString("BPE");
        if (!type.equals("BPE") || !model.path("vocab").isObject()) {
            throw unsupported(source, "its model is " + type + ", not BPE with a vocabulary");
        }
        if (model.path("byte_fallback").asBoolean(false) || !isByteLevel(description.path("decoder"))) {
            String decoder = description.path("decoder").path("type").asString("none");
            throw unsupported(source, "its decoder is " + decoder + ", only byte-level vocabularies are handled");
        }
    }

    private static boolean isByteLevel(JsonNode decoder) {
        JsonNode parts = decoder.path("decoders");
        return decoder.path("type").asString("").equals("ByteLevel")
                || (parts.size() == 1 && isByteLevel(parts.get(0)));
    }

    private static TokenizerException unsupported(String source, String reason) {
        return new TokenizerException(TokenizerException.Kind.UNSUPPORTED, source + " cannot be used: " + reason);
    }
}
