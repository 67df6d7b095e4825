package dev.tandem.preflight.script.shell;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Cuts a script into words and hands each command to its {@link ShellState}. Continued lines that go wrong are reported and read as they
 * were meant, so that what follows from them is not reported again.
 */
final class ShellReader {
    private static final Pattern ASSIGNING = Pattern.compile("[A-Za-z_]\\w*\\+?=.*", Pattern.DOTALL);
    private static final Pattern OPENS_ARRAY = Pattern.compile("[A-Za-z_]\\w*\\+?=");
    private static final Pattern BRACED = Pattern.compile("([A-Za-z_]\\w*)(:?[-=](.*))?", Pattern.DOTALL);
    /** What begins a command, where it begins a line. */
    private static final Pattern PROGRAM = Pattern.compile("(export|unset|vllm|tandem|python3?|bash|curl)[ \\t]");

    private static final String POSITIONAL = "0123456789@*#?$!-";
    private static final Set<String> PROGRAMS = Set.of("vllm", "tandem", "python", "python3", "bash", "curl");
    private static final int MOST_CHARACTERS = 1 << 23;
    private static final int FAR_AHEAD = 1 << 13;

    /** A here-document whose lines come after the line that is being read. */
    private record HereDocument(String end, boolean hasTabs) {}

    private final String source;
    private final ShellState state;
    private final List<Word> words = new ArrayList<>();
    private final Deque<HereDocument> hereDocuments = new ArrayDeque<>();
    private final StringBuilder word = new StringBuilder();
    private boolean isInWord;
    private boolean dropsWord;
    private int wordLine;
    private int gluedAt = -1;
    private int continuedLine;
    private int line = 1;
    private int at;
    private long produced;

    ShellReader(String source, ShellState state) {
        this.state = state;
        if (source.contains("\r\n")) {
            state.error(
                    (int) source.substring(0, source.indexOf("\r\n")).lines().count(),
                    "the file has Windows line ends: a shell takes the carriage return into the last word of each line",
                    "convert it, as with sed -i 's/\\r$//'");
        }
        if (source.indexOf('\0') >= 0) {
            state.error(
                    (int) source.substring(0, source.indexOf('\0')).lines().count(),
                    "the file has NUL characters: a shell leaves them out",
                    "write it as plain text");
        }
        this.source = source.replace("\r\n", "\n").replace("\0", "") + "\n";
    }

    void read() {
        while (at < source.length()) {
            take(source.charAt(at++));
        }
        endCommand();
    }

    private void take(char next) {
        switch (next) {
            case '\n' -> endLine();
            case ' ', '\t' -> endWord();
            case '\\' -> escape();
            case '\'' -> quoted();
            case '"' -> doubleQuoted();
            case '$' -> dollar(false);
            case '`' -> addUnknown(at - 1, after('`'));
            case '#' -> comment();
            case ';' -> endCommand();
            case '&' -> ampersand();
            case '|' -> endCommand();
            case '<', '>' -> redirection(next);
            case '(' -> parenthesis();
            case ')' -> endCommand();
            default -> add(next);
        }
    }

    // ---- words

    private void begin() {
        if (!isInWord) {
            isInWord = true;
            wordLine = line;
            continuedLine = 0;
        }
    }

    private void add(char next) {
        begin();
        word.append(next);
    }

    private void add(String text) {
        begin();
        produced += text.length();
        if (produced > MOST_CHARACTERS) {
            throw new ShellException(state.at(line), "its variables grow beyond " + MOST_CHARACTERS + " characters");
        }
        word.append(text);
    }

    /** Text between two positions that only a running shell could expand. */
    private void addUnknown(int from, int to) {
        String spelling = source.substring(from, to);
        add(state.unknown(spelling));
        pass(to);
    }

    /** Goes on behind some text, counting its lines. */
    private void pass(int to) {
        for (; at < to; at++) {
            if (source.charAt(at) == '\n') {
                line++;
            }
        }
    }

    private void endWord() {
        if (!isInWord) {
            return;
        }
        if (dropsWord) {
            dropsWord = false;
        } else if (gluedAt > 0) {
            endGluedWord();
        } else {
            words.add(new Word(word.toString(), wordLine));
        }
        discardWord();
    }

    private void discardWord() {
        gluedAt = -1;
        word.setLength(0);
        isInWord = false;
    }

    private void endGluedWord() {
        String first = word.substring(0, gluedAt);
        String second = word.substring(gluedAt);
        String found = "no blank before the backslash at the end of line " + (line - 1) + ", and none at the beginning"
                + " of the next line: '" + first + "' and '" + second + "' become one word";
        if (second.startsWith("-")) {
            state.error(line - 1, found, "put a blank before the backslash");
            words.add(new Word(first, wordLine));
            words.add(new Word(second, line));
        } else {
            state.warning(line - 1, found, "put a blank before the backslash");
            words.add(new Word(word.toString(), wordLine));
        }
    }

    private void endCommand() {
        endWord();
        dropsWord = false;
        continuedLine = 0;
        if (!words.isEmpty()) {
            state.command(List.copyOf(words), line);
            words.clear();
        }
    }

    // ---- lines

    private void endLine() {
        if (!isInWord && continuedLine > 0 && !words.isEmpty() && isEmptyLineInTheMidst()) {
            line++;
            return;
        }
        int last = continuedLine > 0 && !isInWord ? continuedLine : line;
        int here = line;
        line = last; // a command ends where its last words stand
        endCommand();
        line = here + 1;
        while (!hereDocuments.isEmpty()) {
            passHereDocument(hereDocuments.removeFirst());
        }
    }

    private boolean isEmptyLineInTheMidst() {
        if (goesOnBehind(at)) {
            state.error(line, "this line is empty and ends the command of the lines above", "remove it");
            return true;
        }
        state.note(continuedLine, "the backslash at the end of the command has nothing to continue", "remove it");
        return false;
    }

    /** Whether the next line with anything on it looks like more words of a command. */
    private boolean goesOnBehind(int from) {
        int start = Math.min(from, source.length());
        int end = Math.min(start + FAR_AHEAD, source.length());
        for (String next : source.substring(start, end).lines().toList()) {
            String text = next.strip();
            if (!text.isEmpty() && !text.startsWith("#")) {
                return text.startsWith("-") || text.startsWith("'{") || text.startsWith("{");
            }
        }
        return false;
    }

    private void escape() {
        if (at == source.length()) {
            return;
        }
        char escaped = source.charAt(at);
        int end = at;
        while (source.charAt(end) == ' ' || source.charAt(end) == '\t') {
            end++;
        }
        boolean isFollowedByNothing = source.charAt(end) == '\n' || (source.charAt(end) == '#' && end > at);
        if (escaped == '\n') {
            at++;
            continueLine();
        } else if (isFollowedByNothing && end + 1 < source.length()) {
            state.error(
                    line,
                    "the backslash is not the last character of line " + line + ", so the line ends the command",
                    "remove what stands behind the backslash");
            at = source.indexOf('\n', end) + 1;
            endWord();
            line++;
        } else {
            add(escaped);
            at++;
        }
    }

    private void continueLine() {
        if (at >= source.length()) {
            return;
        }
        Matcher program = PROGRAM.matcher(source).region(at, source.length());
        if (program.lookingAt()
                && !words.isEmpty()
                && PROGRAMS.contains(words.getFirst().text())) {
            state.error(
                    line,
                    "the backslash at the end of line " + line + " makes the next line, which begins with "
                            + program.group(1) + ", a part of this command",
                    "remove the backslash");
            at--; // read the end of the line as such
            return;
        }
        char next = source.charAt(at);
        if (isInWord && (next == ' ' || next == '\t')) {
            state.warning(
                    line,
                    "no blank before the backslash: words stay apart only because the next line begins with one",
                    "put a blank before the backslash");
        } else if (isInWord && next != '\n') {
            gluedAt = word.length();
        }
        if (!isInWord || next == ' ' || next == '\t' || next == '\n') {
            endWord();
            continuedLine = line;
        }
        line++;
    }

    private void comment() {
        if (isInWord) {
            add('#');
            return;
        }
        int end = source.indexOf('\n', at);
        if (continuedLine > 0 && !words.isEmpty() && goesOnBehind(end + 1)) {
            state.error(
                    line,
                    "this comment ends the command that the backslash at the end of line " + continuedLine
                            + " was to continue",
                    "put the comment in front of the command");
            at = end + 1;
            line++;
        } else {
            at = end;
        }
    }

    private void passHereDocument(HereDocument document) {
        int first = line;
        int start = at;
        while (start < source.length()) {
            int end = source.indexOf('\n', start);
            String text = source.substring(start, end);
            start = end + 1;
            line++;
            if ((document.hasTabs ? text.replaceFirst("^\t+", "") : text).equals(document.end)) {
                at = start;
                state.warning(
                        first - 1,
                        "here-documents are not read: lines " + first + " to " + (line - 1) + " are skipped",
                        "keep its text in a file of its own");
                return;
            }
        }
        at = start;
        state.error(first - 1, "the here-document is not closed by " + document.end, "close it");
    }

    // ---- quotes

    private void quoted() {
        int end = source.indexOf('\'', at);
        if (end < 0) {
            unclosed("'");
            return;
        }
        String text = source.substring(at, end);
        add(text);
        pass(end + 1);
    }

    private void unclosed(String quote) {
        state.error(line, "the quote " + quote + " of this line is not closed", "close it");
        add(source.substring(at));
        pass(source.length());
    }

    private void doubleQuoted() {
        begin();
        int opened = line;
        while (at < source.length() && source.charAt(at) != '"') {
            char next = source.charAt(at++);
            switch (next) {
                case '$' -> dollar(true);
                case '`' -> addUnknown(at - 1, after('`'));
                case '\\' -> escapeInQuotes();
                case '\n' -> {
                    add(next);
                    line++;
                }
                default -> add(next);
            }
        }
        if (at == source.length()) {
            state.error(opened, "the quote \" of this line is not closed", "close it");
        }
        at++;
    }

    private void escapeInQuotes() {
        char escaped = source.charAt(at);
        if (escaped == '\n') {
            line++;
        } else if ("$`\"\\".indexOf(escaped) >= 0) {
            add(escaped);
        } else {
            add('\\');
            return;
        }
        at++;
    }

    // ---- variables

    /** Expands what begins with the dollar sign that has just been read. */
    private void dollar(boolean isQuoted) {
        char next = source.charAt(at);
        if (next == '(') {
            addUnknown(at - 1, afterParenthesis(at));
        } else if (next == '{') {
            braced(isQuoted);
        } else if (next == '\'' && !isQuoted) {
            at++;
            quoted();
        } else if (Character.isLetter(next) || next == '_') {
            int end = at;
            while (Character.isLetterOrDigit(source.charAt(end)) || source.charAt(end) == '_') {
                end++;
            }
            String name = source.substring(at, end);
            at = end;
            expand(state.valueOrSpelling(name, "$" + name), isQuoted);
        } else if (POSITIONAL.indexOf(next) >= 0) {
            addUnknown(at - 1, at + 1);
        } else {
            add('$');
        }
    }

    private void braced(boolean isQuoted) {
        int end = source.indexOf('}', at);
        if (end < 0) {
            unclosed("${");
            return;
        }
        String spelling = "$" + source.substring(at, end + 1);
        var match = BRACED.matcher(source.substring(at + 1, end));
        pass(end + 1);
        if (!match.matches()) {
            add(state.unknown(spelling));
            return;
        }
        String absent = match.group(3);
        if (absent == null) {
            expand(state.valueOrSpelling(match.group(1), spelling), isQuoted);
        } else {
            String other = absent.contains("$") ? state.unknown(spelling) : absent.replaceAll("^([\"'])(.*)\\1$", "$2");
            expand(state.value(match.group(1)).filter(text -> !text.isEmpty()).orElse(other), isQuoted);
        }
    }

    /** Outside of quotes a value becomes as many words as it has, but in an assignment. */
    private void expand(String value, boolean isQuoted) {
        if (isQuoted || ASSIGNING.matcher(word).matches() || state.isUnknown(value)) {
            add(value);
            return;
        }
        for (int i = 0; i < value.length(); i++) {
            char next = value.charAt(i);
            if (next == ' ' || next == '\t' || next == '\n') {
                endWord();
            } else {
                add(String.valueOf(next));
            }
        }
    }

    /** The position behind the next unescaped sign. */
    private int after(char sign) {
        for (int i = at; i < source.length(); i++) {
            if (source.charAt(i) == '\\') {
                i++;
            } else if (source.charAt(i) == sign) {
                return i + 1;
            }
        }
        state.error(line, "the quote " + sign + " of this line is not closed", "close it");
        return source.length();
    }

    /** The position behind the parenthesis that closes the one at {@code from}. */
    private int afterParenthesis(int from) {
        int depth = 0;
        for (int i = from; i < source.length(); i++) {
            char next = source.charAt(i);
            if (next == '\'' && source.indexOf('\'', i + 1) > 0) {
                i = source.indexOf('\'', i + 1);
            } else if (next == '(') {
                depth++;
            } else if (next == ')' && --depth == 0) {
                return i + 1;
            }
        }
        state.error(line, "the parenthesis of this line is not closed", "close it");
        return source.length();
    }

    // ---- signs between words

    private void ampersand() {
        if (at < source.length() && source.charAt(at) == '>') {
            at++;
            redirection('>');
        } else {
            endCommand();
        }
    }

    private void redirection(char sign) {
        if (isInWord && word.chars().allMatch(Character::isDigit)) {
            discardWord();
        }
        endWord();
        char next = source.charAt(at);
        if (next == '(') {
            addUnknown(at - 1, afterParenthesis(at));
        } else if (sign == '<' && next == '<') {
            at++;
            hereDocument();
        } else {
            while (at < source.length() && ">|&".indexOf(source.charAt(at)) >= 0) {
                at++;
            }
            dropsWord = true;
        }
    }

    private void hereDocument() {
        if (source.charAt(at) == '<') {
            at++;
            dropsWord = true;
            return;
        }
        boolean hasTabs = source.charAt(at) == '-';
        at += hasTabs ? 1 : 0;
        while (source.charAt(at) == ' ' || source.charAt(at) == '\t') {
            at++;
        }
        int start = at;
        while (" \t\n;|&<>)".indexOf(source.charAt(at)) < 0) {
            at++;
        }
        String end = source.substring(start, at).replaceAll("[\"'\\\\]", "");
        hereDocuments.add(new HereDocument(end, hasTabs));
    }

    private void parenthesis() {
        if (isInWord && OPENS_ARRAY.matcher(word).matches()) {
            addUnknown(at - 1, afterParenthesis(at - 1));
        } else if (isInWord && at < source.length() && source.charAt(at) == ')') {
            at++; // the head of a function, whose body is read like the rest
            discardWord();
        } else {
            endCommand();
        }
    }
}
