package dev.tandem.text;

import dev.tandem.text.PatternNode.Branch;
import java.util.ArrayList;
import java.util.List;

/**
 * Reads regular expressions of tokenizer descriptions, so that {@link Backtracking} can bound them: the subset of Oniguruma's syntax
 * that published tokenizers use. Everything else is refused, because a part that is misunderstood cannot be bounded. Used once.
 */
final class PatternReader {
    private static final int MAX_LENGTH = 1 << 14;
    private static final int MAX_DEPTH = 32;
    /** Escapes of one character or a class. */
    private static final String CHARACTER_ESCAPES = "dDwWsShHrntfvae";

    private static final String ANCHOR_ESCAPES = "bBAZzG";

    private final String source;
    private final String text;
    private int at;
    private int depth;

    PatternReader(String source, String text) {
        this.source = source;
        this.text = text;
    }

    /** @throws TokenizerException that names what cannot be judged, and where */
    List<Branch> read() {
        if (text.length() > MAX_LENGTH) {
            throw refused("more than " + MAX_LENGTH + " characters", MAX_LENGTH);
        }
        if (text.startsWith("(?i)")) {
            at = "(?i)".length();
        }
        List<Branch> branches = branches();
        if (at < text.length()) {
            throw refused("a closing parenthesis without an opening one", at);
        }
        return branches;
    }

    private List<Branch> branches() {
        if (++depth > MAX_DEPTH) {
            throw refused("more than " + MAX_DEPTH + " levels of parentheses", at);
        }
        List<Branch> branches = new ArrayList<>();
        branches.add(branch());
        while (is('|')) {
            at++;
            branches.add(branch());
        }
        depth--;
        return List.copyOf(branches);
    }

    private Branch branch() {
        int start = at;
        List<PatternNode> nodes = new ArrayList<>();
        while (at < text.length() && !is('|') && !is(')')) {
            nodes.add(quantified(part()));
        }
        return new Branch(text.substring(start, at), List.copyOf(nodes));
    }

    private PatternNode part() {
        char character = text.charAt(at);
        switch (character) {
            case '(' -> {
                return parenthesis();
            }
            case '[' -> characterClass();
            case '\\' -> {
                return escape(ANCHOR_ESCAPES);
            }
            case '^', '$' -> {
                at++;
                return new PatternNode.Anchor();
            }
            case '*', '+', '?' -> throw refused("a repetition of nothing", at);
            default -> at += Character.charCount(text.codePointAt(at));
        }
        return new PatternNode.OneCharacter();
    }

    private PatternNode parenthesis() {
        int start = at;
        at++;
        boolean isLook = false;
        boolean isBehind = false;
        if (is('*')) {
            throw refused("a callout", start);
        }
        if (is('?')) {
            int colon = flagsEnd();
            if (colon >= 0) {
                at = colon + 1;
            } else if (text.startsWith("?>", at)) {
                at += 2;
            } else if (text.startsWith("?=", at) || text.startsWith("?!", at)) {
                isLook = true;
                at += 2;
            } else if (text.startsWith("?<=", at) || text.startsWith("?<!", at)) {
                isLook = true;
                isBehind = true;
                at += 3;
            } else {
                throw refused("a sort of parenthesis that is not known here", start);
            }
        }
        List<Branch> branches = branches();
        if (!is(')')) {
            throw refused("a parenthesis that is not closed", start);
        }
        at++;
        return isLook ? new PatternNode.Look(branches, isBehind, start) : new PatternNode.Group(branches);
    }

    /** Index of the colon of {@code ?i:} and the like, −1 for another sort of parenthesis. */
    private int flagsEnd() {
        int end = at + 1;
        while (end < text.length() && "im-".indexOf(text.charAt(end)) >= 0) {
            end++;
        }
        return end < text.length() && text.charAt(end) == ':' ? end : -1;
    }

    /** Passes a class; classes within it are sets that are joined. */
    private void characterClass() {
        int start = at;
        if (++depth > MAX_DEPTH) {
            throw refused("more than " + MAX_DEPTH + " levels of classes", at);
        }
        at++;
        at += is('^') ? 1 : 0;
        if (is(']')) {
            throw refused("a class that begins with its end", start);
        }
        while (!is(']')) {
            if (at >= text.length()) {
                throw refused("a class that is not closed", start);
            }
            if (is('[')) {
                innerClass();
            } else if (is('\\')) {
                escape("b");
            } else {
                at += Character.charCount(text.codePointAt(at));
            }
        }
        at++;
        depth--;
    }

    private void innerClass() {
        if (!text.startsWith("[:", at)) {
            characterClass();
            return;
        }
        int end = text.indexOf(":]", at + 2);
        if (end < 0 || !text.substring(at + 2, end).matches("\\^?[a-z]{1,16}")) {
            throw refused("a named class that is not known here", at);
        }
        at = end + 2;
    }

    private PatternNode escape(String anchors) {
        int start = at;
        if (at + 1 >= text.length()) {
            throw refused("a backslash at its end", at);
        }
        int escaped = text.codePointAt(at + 1);
        at += 1 + Character.charCount(escaped);
        if (escaped == 'p' || escaped == 'P') {
            passBraces("A-Za-z0-9_^ =-", start);
        } else if (escaped == 'x') {
            if (is('{')) {
                passBraces("0-9A-Fa-f", start);
            } else {
                passHexadecimal(2);
            }
        } else if (escaped == 'u') {
            passHexadecimal(4);
        } else if (anchors.indexOf(escaped) >= 0) {
            return new PatternNode.Anchor();
        } else if (isLetterOrDigit(escaped) && CHARACTER_ESCAPES.indexOf(escaped) < 0) {
            throw refused("the unknown escape \\" + Character.toString(escaped), start);
        }
        return new PatternNode.OneCharacter();
    }

    private void passBraces(String content, int start) {
        int end = is('{') ? text.indexOf('}', at) : -1;
        if (end < 0 || !text.substring(at + 1, end).matches("[" + content + "]{1,64}")) {
            throw refused("an escape whose braces are not understood", start);
        }
        at = end + 1;
    }

    private void passHexadecimal(int most) {
        int end = Math.min(text.length(), at + most);
        while (at < end && Character.digit(text.charAt(at), 16) >= 0) {
            at++;
        }
    }

    private static boolean isLetterOrDigit(int character) {
        return character < 128 && Character.isLetterOrDigit(character);
    }

    private PatternNode quantified(PatternNode part) {
        int start = at;
        int[] range = range();
        if (range.length == 0) {
            return part;
        }
        if (part instanceof PatternNode.Anchor || part instanceof PatternNode.Look) {
            throw refused("a repetition of what takes no characters", start);
        }
        boolean isInterval = text.charAt(start) == '{';
        boolean isPossessive = !isInterval && is('+');
        int min = range[0];
        if (isPossessive) {
            at++;
        } else if (is('?')) {
            at++;
            min = isInterval && min == range[1] ? 0 : min; // {n}? may also take nothing
        }
        if (range().length > 0) {
            throw refused("a repetition of a repetition", start);
        }
        return new PatternNode.Repeat(part, min, range[1], isPossessive, start);
    }

    /** Passes a quantifier and gives its ends; nothing when none stands here. */
    private int[] range() {
        if (is('*') || is('+') || is('?')) {
            char sign = text.charAt(at++);
            return new int[] {sign == '+' ? 1 : 0, sign == '?' ? 1 : PatternNode.UNBOUNDED};
        }
        int end = is('{') ? text.indexOf('}', at) : -1;
        String inside = end < 0 ? "" : text.substring(at + 1, end);
        if (!inside.matches("\\d{1,6}(,\\d{0,6})?|,\\d{1,6}")) {
            return new int[0]; // a brace that stands for itself
        }
        at = end + 1;
        int comma = inside.indexOf(',');
        if (comma < 0) {
            int count = Integer.parseInt(inside);
            return new int[] {count, count};
        }
        String most = inside.substring(comma + 1);
        return new int[] {
            comma == 0 ? 0 : Integer.parseInt(inside.substring(0, comma)),
            most.isEmpty() ? PatternNode.UNBOUNDED : Integer.parseInt(most)
        };
    }

    private boolean is(char character) {
        return at < text.length() && text.charAt(at) == character;
    }

    private TokenizerException refused(String reason, int where) {
        return SplitPattern.refused(source, text, reason + " at character " + where);
    }
}
