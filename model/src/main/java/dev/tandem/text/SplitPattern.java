package dev.tandem.text;

import dev.tandem.text.PatternNode.Branch;
import java.util.List;

/**
 * A regular expression of a tokenizer description.
 *
 * @param source the description's name, for messages
 * @param text as written
 * @param branches its outermost alternatives
 */
record SplitPattern(String source, String text, List<Branch> branches) {
    /** Longest part of a pattern that a message repeats. */
    private static final int SHOWN = 200;

    static SplitPattern read(String source, String text) {
        return new SplitPattern(source, text, new PatternReader(source, text).read());
    }

    TokenizerException refused(String reason, int at) {
        return refused(source, text, reason + " at character " + at);
    }

    TokenizerException refused(String reason) {
        return refused(source, text, reason);
    }

    /** The refusal that names pattern and reason. */
    static TokenizerException refused(String source, String text, String reason) {
        String shown = text.length() <= SHOWN ? text : text.substring(0, SHOWN) + "…";
        return new TokenizerException(
                TokenizerException.Kind.UNSUPPORTED,
                source + " cannot be used: its pattern " + shown + " has " + reason);
    }
}
