package dev.tandem.cli;

import java.io.PrintStream;
import java.util.List;

/**
 * A few lines at the foot of a terminal that are drawn again in place. A line longer than the terminal is wide is cut, not wrapped, since
 * wrapped lines could not be found again. Used by one thread.
 */
final class LiveLines {
    private static final String CLEAR_LINE = "\r\033[K";
    private static final String CLEAR_BELOW = "\r\033[J";
    private static final String NO_WRAP = "\033[?7l";
    private static final String WRAP = "\033[?7h";

    private final PrintStream out;
    private int shown;

    LiveLines(PrintStream out) {
        this.out = out;
    }

    /** Draws these lines where the last ones stood. */
    void draw(List<String> lines) {
        var text = new StringBuilder(NO_WRAP).append(up());
        for (String line : lines) {
            text.append(CLEAR_LINE).append(line).append('\n');
        }
        shown = lines.size();
        out.print(text.append(CLEAR_BELOW).append(WRAP));
        out.flush();
    }

    /** Removes them; what is printed next stands in their place. */
    void clear() {
        if (shown > 0) {
            out.print(up() + CLEAR_BELOW);
            out.flush();
            shown = 0;
        }
    }

    private String up() {
        return shown == 0 ? "" : "\033[" + shown + "A";
    }
}
