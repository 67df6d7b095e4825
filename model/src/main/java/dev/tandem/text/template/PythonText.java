package dev.tandem.text.template;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Python's view of strings: characters are code points, white space is Unicode's. */
final class PythonText {
    private PythonText() {}

    /** {@code str.isspace} of one character. */
    static boolean isSpace(char character) {
        return switch (character) {
            case ' ', '\t', '\n', '\u000B', '\f', '\r', '\u001C', '\u001D', '\u001E', '\u001F' -> true;
            case '\u0085', '\u00A0', '\u1680', '\u2028', '\u2029', '\u202F', '\u205F', '\u3000' -> true;
            default -> character >= '\u2000' && character <= '\u200A';
        };
    }

    /** The string without such characters at its ends; null-like empty set means white space. */
    static String strip(String text, String set, boolean atStart, boolean atEnd, TemplateBudget budget) {
        budget.comparing(text.length(), set);
        return strip(text, set, atStart, atEnd);
    }

    /** The string without white space at its ends. */
    static String strip(String text, boolean atStart, boolean atEnd) {
        return strip(text, "", atStart, atEnd);
    }

    private static String strip(String text, String set, boolean atStart, boolean atEnd) {
        int start = 0;
        int end = text.length();
        while (atStart && start < end && isIn(text.charAt(start), set)) {
            start++;
        }
        while (atEnd && end > start && isIn(text.charAt(end - 1), set)) {
            end--;
        }
        return text.substring(start, end);
    }

    private static boolean isIn(char character, String set) {
        return set.isEmpty() ? isSpace(character) : set.indexOf(character) >= 0;
    }

    static boolean hasSurrogates(String text) {
        for (int i = 0; i < text.length(); i++) {
            if (Character.isSurrogate(text.charAt(i))) {
                return true;
            }
        }
        return false;
    }

    /** {@code str.splitlines}, without the line ends. */
    static List<String> splitLines(String text, TemplateBudget budget) {
        List<String> lines = new ArrayList<>();
        int start = 0;
        for (int i = 0; i < text.length(); i++) {
            if (isLineEnd(text.charAt(i))) {
                addPart(lines, text.substring(start, i), budget);
                i += text.startsWith("\r\n", i) ? 1 : 0;
                start = i + 1;
            }
        }
        if (start < text.length()) {
            addPart(lines, text.substring(start), budget);
        }
        return lines;
    }

    private static boolean isLineEnd(char character) {
        return (character >= '\n' && character <= '\r')
                || (character >= '\u001C' && character <= '\u001E')
                || character == '\u0085'
                || character == '\u2028'
                || character == '\u2029';
    }

    /** {@code str.split(separator, limit)}; an empty separator stands for runs of white space, a negative limit for none. */
    static List<Object> split(String text, String separator, long limit, TemplateBudget budget) {
        return separator.isEmpty() ? splitAtSpaces(text, limit, budget) : splitAt(text, separator, limit, budget);
    }

    private static List<Object> splitAt(String text, String separator, long limit, TemplateBudget budget) {
        budget.searching(text, separator);
        List<Object> parts = new ArrayList<>();
        int start = 0;
        int end = text.indexOf(separator);
        while (end >= 0 && (limit < 0 || parts.size() < limit)) {
            addPart(parts, text.substring(start, end), budget);
            start = end + separator.length();
            end = text.indexOf(separator, start);
        }
        addPart(parts, text.substring(start), budget);
        return parts;
    }

    private static List<Object> splitAtSpaces(String text, long limit, TemplateBudget budget) {
        List<Object> parts = new ArrayList<>();
        int start = skipSpaces(text, 0);
        while (start < text.length()) {
            if (limit >= 0 && parts.size() >= limit) {
                addPart(parts, text.substring(start), budget);
                break;
            }
            int end = start;
            while (end < text.length() && !isSpace(text.charAt(end))) {
                end++;
            }
            addPart(parts, text.substring(start, end), budget);
            start = skipSpaces(text, end);
        }
        return parts;
    }

    /** {@code str.rsplit(separator, limit)}. */
    static List<Object> splitFromEnd(String text, String separator, long limit, TemplateBudget budget) {
        if (limit < 0) {
            return split(text, separator, limit, budget);
        }
        String reversed = new StringBuilder(text).reverse().toString();
        String reversedSeparator = new StringBuilder(separator).reverse().toString();
        List<Object> parts = new ArrayList<>();
        for (Object part : split(reversed, reversedSeparator, limit, budget).reversed()) {
            addPart(parts, new StringBuilder((String) part).reverse().toString(), budget);
        }
        return parts;
    }

    private static void addPart(List<? super String> parts, String part, TemplateBudget budget) {
        budget.elements(1);
        parts.add(budget.text(part));
    }

    private static int skipSpaces(String text, int from) {
        int at = from;
        while (at < text.length() && isSpace(text.charAt(at))) {
            at++;
        }
        return at;
    }

    /** {@code str.replace(old, new, limit)}. */
    static String replace(String text, String old, String replacement, long limit, TemplateBudget budget) {
        budget.searching(text, old);
        BoundedText result = new BoundedText(budget);
        int start = 0;
        long count = 0;
        int from = 0;
        while (limit < 0 || count < limit) {
            int at = old.isEmpty() ? from : text.indexOf(old, from);
            if (at < 0 || at > text.length()) {
                break;
            }
            result.append(text.substring(start, at)).append(replacement);
            start = at + old.length();
            from = old.isEmpty() ? at + 1 : start;
            count++;
            budget.step();
        }
        return result.append(text.substring(start)).toString();
    }

    static String repeat(String text, long times, TemplateBudget budget) {
        long count = Math.max(0, times);
        budget.characters(text.isEmpty() ? 0 : saturatedProduct(text.length(), count));
        return text.isEmpty() ? "" : text.repeat((int) count);
    }

    private static long saturatedProduct(long a, long b) {
        return Math.multiplyHigh(a, b) != 0 || a * b < 0 ? Long.MAX_VALUE / 4 : Math.min(a * b, Long.MAX_VALUE / 4);
    }

    static String capitalize(String text) {
        if (text.isEmpty()) {
            return text;
        }
        int first = text.offsetByCodePoints(0, 1);
        return titleCase(text.codePointAt(0)) + lower(text.substring(first));
    }

    /** {@code str.title}: a letter behind anything but a letter is upper case. */
    static String title(String text) {
        StringBuilder title = new StringBuilder();
        boolean isBehindLetter = false;
        for (int i = 0; i < text.length(); ) {
            int codePoint = text.codePointAt(i);
            title.append(isBehindLetter ? lower(Character.toString(codePoint)) : titleCase(codePoint));
            isBehindLetter = Character.isUpperCase(codePoint)
                    || Character.isLowerCase(codePoint)
                    || Character.isTitleCase(codePoint);
            i += Character.charCount(codePoint);
        }
        return title.toString();
    }

    /** A letter as words begin with it; one such as the German sharp s becomes two. */
    private static String titleCase(int codePoint) {
        String upper = upper(Character.toString(codePoint));
        if (Character.toTitleCase(codePoint) != codePoint || upper.codePointCount(0, upper.length()) == 1) {
            return Character.toString(Character.toTitleCase(codePoint));
        }
        int first = upper.offsetByCodePoints(0, 1);
        return upper.substring(0, first) + lower(upper.substring(first));
    }

    /** The {@code title} filter: words begin behind white space, hyphens and opening brackets. */
    static String titleOfWords(String text) {
        StringBuilder title = new StringBuilder();
        boolean isStart = true;
        for (int i = 0; i < text.length(); ) {
            int codePoint = text.codePointAt(i);
            String character = Character.toString(codePoint);
            title.append(isStart ? upper(character) : lower(character));
            isStart = "-({[<".indexOf(codePoint) >= 0 || (codePoint <= 0xFFFF && isSpace((char) codePoint));
            i += Character.charCount(codePoint);
        }
        return title.toString();
    }

    static String upper(String text) {
        return text.toUpperCase(Locale.ROOT);
    }

    static String lower(String text) {
        return text.toLowerCase(Locale.ROOT);
    }
}
