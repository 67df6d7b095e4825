package dev.tandem.api;

import java.util.Locale;

/**
 * Text that may come from others (a peer, a client, a file) as one line for people: whatever could end the line, move a terminal's cursor,
 * colour it or turn the direction of reading is shown as an escape ({@code \n}, <code>&#92;u001b</code>), and a long text is cut. Without this, whoever
 * chooses a message writes lines of our log and rows of our reports.
 */
public final class OneLine {
    /** Longest line, in characters; what follows is counted instead of shown. */
    public static final int MAX_CHARS = 8 << 10;

    private OneLine() {}

    /** The text itself where nothing needs to be escaped or cut. */
    public static String of(String text) {
        int end = Math.min(text.length(), MAX_CHARS);
        int index = 0;
        while (index < end && !mustEscape(text.charAt(index))) {
            index++;
        }
        return index == text.length() ? text : escaped(text, index, end);
    }

    private static String escaped(String text, int plain, int end) {
        var line = new StringBuilder(end + 64).append(text, 0, plain);
        for (int i = plain; i < end; i++) {
            char c = text.charAt(i);
            if (!mustEscape(c)) {
                line.append(c);
                continue;
            }
            switch (c) {
                case '\n' -> line.append("\\n");
                case '\r' -> line.append("\\r");
                case '\t' -> line.append("\\t");
                default -> line.append("\\u").append(String.format(Locale.ROOT, "%04x", (int) c));
            }
        }
        if (end < text.length()) {
            line.append(" … and ").append(text.length() - end).append(" more characters");
        }
        return line.toString();
    }

    /** Controls (C0, DEL, C1), separators of lines, and the marks that turn or hide the direction of text. */
    private static boolean mustEscape(char c) {
        return c < 0x20
                || (c >= 0x7f && c <= 0x9f)
                || c == 0x061c
                || (c >= 0x200e && c <= 0x200f)
                || (c >= 0x2028 && c <= 0x202e)
                || (c >= 0x2066 && c <= 0x2069)
                || c == 0xfeff;
    }
}
