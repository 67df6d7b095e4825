package dev.tandem.node.flags;

import java.util.Collection;

/** The known word that an unknown one was probably meant to be. */
public final class Nearest {
    /** No known word is longer; the rest of an unknown one, which may be a megabyte, is not compared. */
    private static final int MOST_COMPARED = 64;

    private Nearest() {}

    /** The candidate with the smallest edit distance; the first of equals. */
    public static String of(String word, Collection<String> candidates) {
        String nearest = "";
        int best = Integer.MAX_VALUE;
        int length = Math.min(word.length(), MOST_COMPARED);
        for (String candidate : candidates) {
            if (Math.abs(candidate.length() - length) >= best) {
                continue; // so many characters at least must be put in or taken out
            }
            int distance = distance(word, candidate);
            if (distance < best) {
                best = distance;
                nearest = candidate;
            }
        }
        return nearest;
    }

    /** Insertions, removals and changes of a character from the first 64 of one word to the other. */
    public static int distance(String a, String b) {
        int length = Math.min(a.length(), MOST_COMPARED);
        int[] row = new int[b.length() + 1];
        for (int j = 0; j <= b.length(); j++) {
            row[j] = j;
        }
        for (int i = 1; i <= length; i++) {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.length(); j++) {
                int change = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.min(change, Math.min(row[j], row[j - 1]) + 1);
            }
        }
        return row[b.length()];
    }
}
