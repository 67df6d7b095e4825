package dev.tandem.text;

import tools.jackson.databind.JsonNode;

/**
 * The longest text that a tokenizer description lets the native library take. What goes wrong inside the library ends the process, without
 * an exception, so every step that a client's text passes is judged when the description is read: a pattern's tries must stay bounded, no
 * step may blow the text up, and a step that is not known is refused by its name. Pure.
 */
final class NativeTextLimit {
    /** No text is longer than this whatever the description allows: the library takes up to 600 bytes and 2.5 µs per character. */
    static final int MOST = 1 << 21;

    /** A description that allows less than this would refuse ordinary prompts. */
    private static final int LEAST = 1 << 14;
    /** Characters that the text may have between two steps. */
    private static final double MOST_GROWN = 1 << 24;
    /** Longest text that a step looks for or puts in. */
    private static final int MAX_STRING = 256;

    private static final String BYTE_LEVEL_PATTERN =
            "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

    private final String source;
    /** Characters that one of the client's has become by the step that is looked at. */
    private double growth = 1;

    private double limit = MOST;

    private NativeTextLimit(String source) {
        this.source = source;
    }

    /**
     * Reads {@code normalizer}, {@code pre_tokenizer} and {@code model}.
     *
     * @param source the description's name, for messages
     * @throws TokenizerException when a step cannot be bounded; the message names it
     */
    static int of(JsonNode description, String source) {
        NativeTextLimit limit = new NativeTextLimit(source);
        limit.normalizer(description.path("normalizer"));
        limit.preTokenizer(description.path("pre_tokenizer"));
        String prefix =
                description.path("model").path("continuing_subword_prefix").asString("");
        if (!prefix.isEmpty()) {
            throw limit.refused(
                    "continuing_subword_prefix \"" + prefix + "\" does not belong to a byte-level vocabulary");
        }
        return limit.checked();
    }

    private int checked() {
        if (limit < LEAST) {
            throw refused("its steps allow texts of at most " + (int) limit + " characters, fewer than " + LEAST);
        }
        return (int) limit;
    }

    private void normalizer(JsonNode step) {
        if (step.isMissingNode() || step.isNull()) {
            return;
        }
        String type = step.path("type").asString("");
        switch (type) {
            case "Sequence" -> {
                for (JsonNode part : step.path("normalizers")) {
                    normalizer(part);
                }
            }
            // Longest mappings of one character (Unicode, UAX #15, table 1; SpecialCasing.txt)
            case "NFC", "Lowercase", "ByteLevel" -> grow(3, type);
            case "NFD" -> grow(4, type);
            case "NFKC", "NFKD", "BertNormalizer" -> grow(18, type);
            case "Strip", "StripAccents", "Nmt" -> {}
            case "Prepend" -> requireString(step.path("prepend"), type);
            case "Replace" -> replace(step);
            default -> throw refused("the normalizer " + shown(type) + " cannot be bounded");
        }
    }

    /** An empty match makes the library abort, a long replacement makes texts long. */
    private void replace(JsonNode step) {
        JsonNode pattern = step.path("pattern");
        String content = requireString(step.path("content"), "Replace");
        int least = 1;
        if (pattern.has("Regex")) {
            SplitPattern read = judge(pattern.path("Regex"));
            if (PatternNode.canBeEmpty(read.branches())) {
                throw read.refused("a match without characters, which cannot be replaced");
            }
        } else {
            least = requireNotEmpty(requireString(pattern.path("String"), "Replace"), "Replace");
        }
        grow(Math.max(1, Math.ceilDiv(content.length(), least)), "Replace");
    }

    private void preTokenizer(JsonNode step) {
        if (step.isMissingNode() || step.isNull()) {
            return;
        }
        String type = step.path("type").asString("");
        switch (type) {
            case "Sequence" -> {
                for (JsonNode part : step.path("pretokenizers")) {
                    preTokenizer(part);
                }
            }
            case "Split" -> split(step.path("pattern"));
            case "ByteLevel" -> {
                if (step.path("use_regex").asBoolean(true)) {
                    judge(SplitPattern.read(source, BYTE_LEVEL_PATTERN));
                }
                grow(3, type);
            }
            case "FixedLength" -> {
                if (step.path("length").asInt(0) < 1) {
                    throw refused("FixedLength's length " + step.path("length") + " is below 1");
                }
            }
            case "Digits", "Punctuation", "Whitespace", "WhitespaceSplit" -> {}
            case "BertPreTokenizer", "Metaspace", "CharDelimiterSplit", "UnicodeScripts" -> {}
            default -> throw refused("the pre-tokenizer " + shown(type) + " cannot be bounded");
        }
    }

    private void split(JsonNode pattern) {
        if (pattern.has("Regex")) {
            judge(pattern.path("Regex"));
        } else {
            requireNotEmpty(requireString(pattern.path("String"), "Split"), "Split");
        }
    }

    private SplitPattern judge(JsonNode regex) {
        if (!regex.isString()) {
            throw refused("a Regex is not a string");
        }
        SplitPattern pattern = SplitPattern.read(source, regex.stringValue());
        judge(pattern);
        return pattern;
    }

    private void judge(SplitPattern pattern) {
        double allowed = Backtracking.longestText(pattern, (int) (MOST * growth)) / growth;
        if (allowed < LEAST) {
            throw pattern.refused("more ways to fit than can be tried on a text of " + LEAST + " characters");
        }
        limit = Math.min(limit, allowed);
    }

    private void grow(double factor, String type) {
        growth *= factor;
        limit = Math.min(limit, MOST_GROWN / growth);
        if (limit < LEAST) {
            throw refused(type + " makes one character " + (long) growth + ", so that texts would get too long");
        }
    }

    private String requireString(JsonNode value, String type) {
        if (!value.isString() || value.stringValue().length() > MAX_STRING) {
            throw refused(type + " needs strings of at most " + MAX_STRING + " characters");
        }
        return value.stringValue();
    }

    private int requireNotEmpty(String text, String type) {
        if (text.isEmpty()) {
            throw refused(type + " looks for a text without characters");
        }
        return text.length();
    }

    private static String shown(String type) {
        return type.length() <= 64 ? type : type.substring(0, 64);
    }

    private TokenizerException refused(String reason) {
        return new TokenizerException(TokenizerException.Kind.UNSUPPORTED, source + " cannot be used: " + reason);
    }
}
