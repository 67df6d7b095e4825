package dev.tandem.text.template;

import dev.tandem.text.template.TemplateToken.Kind;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Cuts a template into tokens, with white space control as Jinja2 has it under {@code trim_blocks} and {@code lstrip_blocks}: a line break
 * behind a block tag goes, and so does the space between a line's start and a block tag or comment. (jinja2/lexer.py)
 */
final class TemplateLexer {
    private static final Pattern RAW_BEGIN = Pattern.compile("(?U)\\{%[-+]?\\s*raw\\s*(-?)%}");
    private static final Pattern RAW_END = Pattern.compile("(?U)\\{%([-+]?)\\s*endraw\\s*([-+]?)%}");

    private static final Set<String> TWO_CHARACTERS = Set.of("//", "**", "==", "!=", ">=", "<=");

    private final String source;
    private final List<TemplateToken> tokens = new ArrayList<>();
    private int at;
    private int line = 1;
    private int lineCountedTo;
    /** Whether what was read last ended a line, so that the text to come starts one. */
    private boolean isAtLineStart = true;

    private TemplateLexer(String source) {
        this.source = source;
    }

    static List<TemplateToken> tokens(String text) {
        String source = text.replace("\r\n", "\n").replace('\r', '\n');
        TemplateLexer lexer =
                new TemplateLexer(source.endsWith("\n") ? source.substring(0, source.length() - 1) : source);
        while (lexer.at < lexer.source.length()) {
            lexer.readText();
        }
        lexer.add(Kind.END, "");
        return lexer.tokens;
    }

    private void readText() {
        int open = nextOpening();
        if (open < 0) {
            add(Kind.DATA, source.substring(at));
            at = source.length();
            return;
        }
        char kind = source.charAt(open + 1);
        char sign = open + 2 < source.length() ? source.charAt(open + 2) : ' ';
        boolean isSigned = sign == '-' || sign == '+';
        addText(open, isSigned ? sign : ' ', kind != '{');
        Matcher raw = RAW_BEGIN.matcher(source).region(open, source.length());
        if (kind == '%' && raw.lookingAt()) {
            readRaw(raw);
            return;
        }
        at = open + (isSigned ? 3 : 2);
        switch (kind) {
            case '#' -> skipComment();
            case '%' -> readTag(Kind.TAG_BEGIN, Kind.TAG_END, "%}");
            default -> readTag(Kind.PRINT_BEGIN, Kind.PRINT_END, "}}");
        }
    }

    private int nextOpening() {
        for (int i = source.indexOf('{', at); i >= 0 && i + 1 < source.length(); i = source.indexOf('{', i + 1)) {
            char next = source.charAt(i + 1);
            if (next == '{' || next == '%' || next == '#') {
                return i;
            }
        }
        return -1;
    }

    /** Emits the text up to a tag, stripped as the tag's sign and kind say. */
    private void addText(int end, char sign, boolean isBlock) {
        String text = source.substring(at, end);
        if (sign == '-') {
            text = PythonText.strip(text, false, true);
        } else if (sign != '+' && isBlock) {
            int lineStart = text.lastIndexOf('\n') + 1;
            if ((lineStart > 0 || isAtLineStart) && isBlank(text, lineStart)) {
                text = text.substring(0, lineStart);
            }
        }
        if (!text.isEmpty()) {
            add(Kind.DATA, text);
        }
        at = end;
    }

    private static boolean isBlank(String text, int from) {
        for (int i = from; i < text.length(); i++) {
            if (!PythonText.isSpace(text.charAt(i))) {
                return false;
            }
        }
        return true;
    }

    private void skipComment() {
        int end = source.indexOf("#}", at);
        if (end < 0) {
            throw failure("a comment is not closed");
        }
        char sign = end > at ? source.charAt(end - 1) : ' ';
        at = end + 2;
        endBlock(sign);
    }

    private void readRaw(Matcher begin) {
        at = begin.end();
        if (!begin.group(1).isEmpty()) {
            skipSpace();
        }
        Matcher end = RAW_END.matcher(source);
        if (!end.find(at)) {
            throw failure("a raw block is not closed");
        }
        isAtLineStart = source.charAt(at - 1) == '\n';
        addText(end.start(), sign(end.group(1)), true);
        at = end.end();
        endBlock(sign(end.group(2)));
    }

    private static char sign(String group) {
        return group.isEmpty() ? ' ' : group.charAt(0);
    }

    /** What follows the end of a block: a minus takes all white space, nothing takes one line break. */
    private void endBlock(char sign) {
        int start = at;
        if (sign == '-') {
            skipSpace();
        } else if (sign != '+' && at < source.length() && source.charAt(at) == '\n') {
            at++;
        }
        isAtLineStart = at > start && source.charAt(at - 1) == '\n';
    }

    private void readTag(Kind begin, Kind end, String closing) {
        add(begin, "");
        int openBrackets = 0;
        while (true) {
            skipSpace();
            if (at >= source.length()) {
                throw failure("a tag is not closed");
            }
            if (openBrackets == 0 && closes(closing)) {
                add(end, "");
                return;
            }
            openBrackets += readToken();
            if (openBrackets < 0) {
                throw failure("unexpected closing bracket");
            }
        }
    }

    private boolean closes(String closing) {
        char sign = source.charAt(at);
        boolean isSigned = sign == '-' || (sign == '+' && closing.equals("%}"));
        if (!source.startsWith(closing, at + (isSigned ? 1 : 0))) {
            return false;
        }
        at += closing.length() + (isSigned ? 1 : 0);
        if (closing.equals("%}")) {
            endBlock(isSigned ? sign : ' ');
        } else {
            int start = at;
            if (isSigned) {
                skipSpace();
            }
            isAtLineStart = at > start && source.charAt(at - 1) == '\n';
        }
        return true;
    }

    /** Reads one token of an expression. Returns how many brackets it opens. */
    private int readToken() {
        char first = source.charAt(at);
        if (first == '"' || first == '\'') {
            readString(first);
        } else if (first >= '0' && first <= '9') {
            readNumber();
        } else if (Character.isUnicodeIdentifierStart(first) || first == '_') {
            int start = at;
            while (at < source.length() && Character.isUnicodeIdentifierPart(source.charAt(at))) {
                at++;
            }
            add(Kind.NAME, source.substring(start, at));
        } else {
            return readOperator(first);
        }
        return 0;
    }

    private int readOperator(char first) {
        String two = source.substring(at, Math.min(at + 2, source.length()));
        if (TWO_CHARACTERS.contains(two)) {
            add(Kind.OPERATOR, two);
            at += 2;
            return 0;
        }
        if ("+-/*%~[](){}><=.:|,;".indexOf(first) < 0) {
            throw failure("unexpected character '" + Character.toString(source.codePointAt(at)) + "'");
        }
        add(Kind.OPERATOR, String.valueOf(first));
        at++;
        return "([{".indexOf(first) >= 0 ? 1 : ")]}".indexOf(first) >= 0 ? -1 : 0;
    }

    private void readNumber() {
        int start = at;
        skipDigits();
        if (at == start + 1
                && source.charAt(start) == '0'
                && at < source.length()
                && "xXoObB".indexOf(source.charAt(at)) >= 0) {
            throw failure("number literals other than decimal are not supported");
        }
        boolean isFloat = false;
        if (isDigitAfter('.')) {
            at++;
            skipDigits();
            isFloat = true;
        }
        int exponent = at;
        if (exponent < source.length() && "eE".indexOf(source.charAt(exponent)) >= 0) {
            at++;
            if (at < source.length() && "+-".indexOf(source.charAt(at)) >= 0) {
                at++;
            }
            int digits = at;
            skipDigits();
            isFloat |= at > digits;
            at = at > digits ? at : exponent;
        }
        if (!isFloat
                && source.charAt(start) == '0'
                && !source.substring(start, at).matches("[0_]+")) {
            throw failure("a number begins with 0");
        }
        add(isFloat ? Kind.FLOAT : Kind.INTEGER, source.substring(start, at).replace("_", ""));
    }

    private boolean isDigitAfter(char separator) {
        return at + 1 < source.length()
                && source.charAt(at) == separator
                && source.charAt(at + 1) >= '0'
                && source.charAt(at + 1) <= '9';
    }

    private void skipDigits() {
        while (at < source.length() && ((source.charAt(at) >= '0' && source.charAt(at) <= '9') || isDigitAfter('_'))) {
            at++;
        }
    }

    private void readString(char quote) {
        StringBuilder value = new StringBuilder();
        int i = at + 1;
        while (i < source.length() && source.charAt(i) != quote) {
            if (source.charAt(i) == '\\' && i + 1 < source.length()) {
                i = readEscape(i + 1, value);
            } else {
                value.append(source.charAt(i++));
            }
        }
        if (i >= source.length()) {
            throw failure("a string is not closed");
        }
        add(Kind.STRING, value.toString());
        at = i + 1;
    }

    /** Reads what follows a backslash, as Python's string literals have it. Returns where the string goes on. */
    private int readEscape(int start, StringBuilder value) {
        char kind = source.charAt(start);
        switch (kind) {
            case '\n' -> {}
            case '\\', '\'', '"' -> value.append(kind);
            case 'a' -> value.append('\u0007');
            case 'b' -> value.append('\b');
            case 'f' -> value.append('\f');
            case 'n' -> value.append('\n');
            case 'r' -> value.append('\r');
            case 't' -> value.append('\t');
            case 'v' -> value.append('\u000B');
            case 'x' -> {
                return readHex(start + 1, 2, value);
            }
            case 'u' -> {
                return readHex(start + 1, 4, value);
            }
            case 'U' -> {
                return readHex(start + 1, 8, value);
            }
            case 'N' -> throw failure("character names in strings are not supported");
            default -> {
                if (kind >= '0' && kind <= '7') {
                    return readOctal(start, value);
                }
                value.append('\\').append(kind);
            }
        }
        return start + 1;
    }

    private int readHex(int start, int digits, StringBuilder value) {
        int codePoint = 0;
        for (int i = start; i < start + digits; i++) {
            int digit = i < source.length() ? Character.digit(source.charAt(i), 16) : -1;
            if (digit < 0 || codePoint > Character.MAX_CODE_POINT) {
                throw failure("a string holds a broken escape");
            }
            codePoint = codePoint * 16 + digit;
        }
        if (!Character.isValidCodePoint(codePoint)) {
            throw failure("a string holds an escape beyond Unicode");
        }
        value.appendCodePoint(codePoint);
        return start + digits;
    }

    private int readOctal(int start, StringBuilder value) {
        int i = start;
        int codePoint = 0;
        while (i < start + 3 && i < source.length() && source.charAt(i) >= '0' && source.charAt(i) <= '7') {
            codePoint = codePoint * 8 + source.charAt(i++) - '0';
        }
        value.appendCodePoint(codePoint);
        return i;
    }

    private void skipSpace() {
        while (at < source.length() && PythonText.isSpace(source.charAt(at))) {
            at++;
        }
    }

    private void add(Kind kind, String text) {
        tokens.add(new TemplateToken(kind, text, currentLine()));
    }

    private int currentLine() {
        for (; lineCountedTo < Math.min(at, source.length()); lineCountedTo++) {
            line += source.charAt(lineCountedTo) == '\n' ? 1 : 0;
        }
        return line;
    }

    private TemplateException failure(String message) {
        return TemplateException.at(currentLine(), message);
    }
}
