package dev.tandem.api;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CoderResult;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.Optional;
import java.util.Set;

/**
 * The first place at which a text stops being JSON (RFC 8259, no field twice in one object, nesting at most {@link StrictJson#MAX_DEPTH}).
 * Looked for only when a parser has already refused the text, so that the sender reads what was expected instead of a parser's own words.
 *
 * @param line from 1
 * @param column from 1, in characters
 * @param problem what was expected and what was found
 */
public record JsonFault(int line, int column, String problem) {
    /** Longest number, in characters. */
    static final int MAX_NUMBER_LENGTH = 1_000;

    private static final int SHOWN_CHARACTERS = 40;

    /** Finds the fault; none when there is no fault that this class knows of. */
    public static Optional<JsonFault> find(byte[] json) {
        ByteBuffer bytes = ByteBuffer.wrap(json);
        CharBuffer decoded = CharBuffer.allocate(json.length + 1);
        CharsetDecoder decoder = StandardCharsets.UTF_8
                .newDecoder()
                .onMalformedInput(CodingErrorAction.REPORT)
                .onUnmappableCharacter(CodingErrorAction.REPORT);
        CoderResult result = decoder.decode(bytes, decoded, true);
        String text = decoded.flip().toString();
        if (result.isError()) {
            String found = String.format("the byte 0x%02x, which is no UTF-8", bytes.get(bytes.position()) & 0xff);
            return Optional.of(at(text, text.length(), found));
        }
        try {
            new Scan(text).whole();
            return Optional.empty();
        } catch (FaultAt fault) {
            return Optional.of(at(text, fault.position, fault.problem));
        }
    }

    private static JsonFault at(String text, int position, String problem) {
        int line = 1;
        int lineStart = 0;
        for (int i = 0; i < position; i++) {
            if (text.charAt(i) == '\n') {
                line++;
                lineStart = i + 1;
            }
        }
        return new JsonFault(line, 1 + text.codePointCount(lineStart, position), problem);
    }

    /** As in {@code line 1 column 9: expected a value, found the end}. */
    @Override
    public String toString() {
        return "line " + line + " column " + column + ": " + problem;
    }

    /** Ends a scan. Never leaves this file. */
    private static final class FaultAt extends RuntimeException {
        private final int position;
        private final String problem;

        FaultAt(int position, String problem) {
            super(problem, null, false, false);
            this.position = position;
            this.problem = problem;
        }
    }

    /** One pass over a text. Used once, by one thread. */
    private static final class Scan {
        private final String text;
        private int at;

        Scan(String text) {
            this.text = text;
            this.at = text.startsWith("\uFEFF") ? 1 : 0;
        }

        void whole() {
            value(1);
            space();
            if (at < text.length()) {
                throw expected("the end of the text behind its value");
            }
        }

        private void value(int depth) {
            space();
            switch (peek()) {
                case '{' -> object(depth);
                case '[' -> array(depth);
                case '"' -> string();
                case 't' -> word("true");
                case 'f' -> word("false");
                case 'n' -> word("null");
                case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9' -> number();
                default -> throw expected("a value");
            }
        }

        private void object(int depth) {
            enter(depth);
            Set<String> names = new HashSet<>();
            space();
            if (peek() == '}') {
                at++;
                return;
            }
            while (true) {
                space();
                if (peek() != '"') {
                    throw expected("a field name in double quotes" + (names.isEmpty() ? " or '}'" : ""));
                }
                int start = at;
                String name = string();
                if (!names.add(name)) {
                    throw new FaultAt(start, "the field '" + shortened(name) + "' comes twice in one object");
                }
                space();
                take(':', "':' behind the field name '" + shortened(name) + "'");
                value(depth + 1);
                space();
                if (peek() == '}') {
                    at++;
                    return;
                }
                take(',', "',' or '}' behind the value of '" + shortened(name) + "'");
            }
        }

        private void array(int depth) {
            enter(depth);
            space();
            if (peek() == ']') {
                at++;
                return;
            }
            while (true) {
                value(depth + 1);
                space();
                if (peek() == ']') {
                    at++;
                    return;
                }
                take(',', "',' or ']' behind an element");
            }
        }

        private void enter(int depth) {
            if (depth > StrictJson.MAX_DEPTH) {
                throw new FaultAt(at, "objects and arrays are nested deeper than " + StrictJson.MAX_DEPTH);
            }
            at++;
        }

        /** Reads a string; its value with escapes undone. */
        private String string() {
            StringBuilder value = new StringBuilder();
            int start = at++;
            while (peek() != '"') {
                if (at == text.length()) {
                    throw new FaultAt(start, "a string begins here and has no closing quote");
                }
                char c = text.charAt(at);
                if (c < ' ') {
                    throw new FaultAt(
                            at, String.format("control character 0x%02x inside a string; escape it", (int) c));
                }
                if (c == '\\') {
                    value.append(escape());
                } else {
                    value.append(c);
                    at++;
                }
            }
            at++;
            return value.toString();
        }

        private char escape() {
            int start = at++;
            char kind = peek();
            at++;
            return switch (kind) {
                case '"', '\\', '/' -> kind;
                case 'b' -> '\b';
                case 'f' -> '\f';
                case 'n' -> '\n';
                case 'r' -> '\r';
                case 't' -> '\t';
                case 'u' -> unit(start);
                default -> throw new FaultAt(start, "a backslash must be followed by one of \"\\/bfnrtu");
            };
        }

        private char unit(int start) {
            int unit = 0;
            for (int i = 0; i < 4; i++) {
                int digit = Character.digit(peek(), 16);
                if (digit < 0 || peek() > 'f') {
                    throw new FaultAt(start, "\\u must be followed by four hexadecimal digits");
                }
                unit = 16 * unit + digit;
                at++;
            }
            return (char) unit;
        }

        private void number() {
            int start = at;
            if (peek() == '-') {
                at++;
            }
            int firstDigit = at;
            digits();
            if (text.charAt(firstDigit) == '0' && at > firstDigit + 1) {
                throw new FaultAt(start, "a number must not begin with a zero");
            }
            if (peek() == '.') {
                at++;
                digits();
            }
            if (peek() == 'e' || peek() == 'E') {
                at++;
                if (peek() == '+' || peek() == '-') {
                    at++;
                }
                digits();
            }
            if (at - start > MAX_NUMBER_LENGTH) {
                throw new FaultAt(
                        start,
                        "a number has " + (at - start) + " characters; at most " + MAX_NUMBER_LENGTH + " are allowed");
            }
        }

        private void digits() {
            int start = at;
            while (peek() >= '0' && peek() <= '9') {
                at++;
            }
            if (at == start) {
                throw expected("a digit");
            }
        }

        private void word(String word) {
            if (!text.startsWith(word, at) || Character.isLetterOrDigit(charAt(at + word.length()))) {
                throw expected("a value");
            }
            at += word.length();
        }

        private void take(char wanted, String name) {
            if (peek() != wanted) {
                throw expected(name);
            }
            at++;
        }

        private void space() {
            while (peek() == ' ' || peek() == '\n' || peek() == '\r' || peek() == '\t') {
                at++;
            }
        }

        /** The next character; NUL at the end, where a NUL in the text is no JSON either. */
        private char peek() {
            return charAt(at);
        }

        private char charAt(int position) {
            return position < text.length() ? text.charAt(position) : 0;
        }

        private FaultAt expected(String what) {
            return new FaultAt(at, "expected " + what + ", found " + found());
        }

        private String found() {
            if (at >= text.length()) {
                return "the end";
            }
            int end = at;
            while (Character.isLetterOrDigit(charAt(end))) {
                end++;
            }
            if (end > at) {
                return "'" + shortened(text.substring(at, end)) + "'";
            }
            int c = text.codePointAt(at);
            return c < ' ' ? String.format("the control character 0x%02x", c) : "'" + Character.toString(c) + "'";
        }

        private static String shortened(String text) {
            return text.length() <= SHOWN_CHARACTERS ? text : text.substring(0, SHOWN_CHARACTERS) + "…";
        }
    }
}
