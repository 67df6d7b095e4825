package dev.tandem.node.http;

import java.util.List;
import java.util.Optional;

/**
 * Finds stop strings in text that comes piece by piece. Holds back the longest end of the text that might still become a stop string, so
 * that nothing of it leaks. Belongs to one choice.
 */
final class StopStrings {
    private final List<String> stops;
    private final boolean includesStop;
    private final StringBuilder held = new StringBuilder();
    private Optional<String> found = Optional.empty();

    /** @param includesStop the stop string itself is part of the text */
    StopStrings(List<String> stops, boolean includesStop) {
        this.stops = stops;
        this.includesStop = includesStop;
    }

    /** Text that may be shown now; after a stop string was found, the last of it. */
    String add(String piece) {
        if (stops.isEmpty()) {
            return piece;
        }
        held.append(piece);
        int earliest = -1;
        String match = "";
        for (String stop : stops) {
            int at = held.indexOf(stop);
            if (at >= 0 && (earliest < 0 || at < earliest)) {
                earliest = at;
                match = stop;
            }
        }
        if (earliest >= 0) {
            found = Optional.of(match);
            return take(includesStop ? earliest + match.length() : earliest);
        }
        return take(held.length() - longestOpenEnd());
    }

    /** What was held back, when the text ends without a stop string. */
    String finish() {
        return take(held.length());
    }

    /** The stop string that ended the text. */
    Optional<String> found() {
        return found;
    }

    private String take(int characters) {
        String text = held.substring(0, characters);
        held.delete(0, characters);
        return text;
    }

    private int longestOpenEnd() {
        int longest = 0;
        for (String stop : stops) {
            for (int length = Math.min(stop.length() - 1, held.length()); length > longest; length--) {
                if (isOpenEnd(stop, length)) {
                    longest = length;
                    break;
                }
            }
        }
        return longest;
    }

    /** Whether the last characters that are held back are the first of the stop string; copies nothing. */
    private boolean isOpenEnd(String stop, int length) {
        int from = held.length() - length;
        int same = 0;
        while (same < length && held.charAt(from + same) == stop.charAt(same)) {
            same++;
        }
        return same == length;
    }
}
