package dev.tandem.node.flags;

import java.util.Collection;

/** The known word that an unknown one was probably meant to be. */
public final class Nearest {
    /** No known word is longer; the rest of an unknown one, which may be a megabyte, is not compared. */
    private static final int MOST_COMPARED = Long.SIZE;

    private static final int ASCII = 128;

    private Nearest() {}

    /** The candidate with the smallest edit distance; the first of equals. */
    public static String of(String word, Collection<String> candidates) {
        String nearest = "";
        int best = Integer.MAX_VALUE;
        int length = Math.min(word.length(), MOST_COMPARED);
        long[] places = places(word, length);
        for (String candidate : candidates) {
            if (Math.abs(candidate.length() - length) >= best) {
                continue; // so many characters at least must be put in or taken out
            }
            int distance = distance(word, length, places, candidate);
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
        return distance(a, length, places(a, length), b);
    }

    /**
     * A column of the table of distances at once: bit i of {@code rises} and {@code falls} says that i + 1 characters of the word are one
     * further from, or nearer to, what was read of the other than i are. Source: G. Myers, A Fast Bit-Vector Algorithm for Approximate
     * String Matching, Journal of the ACM 46 (1999), figure 8.
     */
    private static int distance(String word, int length, long[] places, String other) {
        int distance = length;
        long rises = -1;
        long falls = 0;
        for (int j = 0; j < other.length(); j++) {
            char c = other.charAt(j);
            long equal = c < ASCII ? places[c] : places(word, length, c);
            long diagonal = (((equal & rises) + rises) ^ rises) | equal;
            long up = falls | ~(diagonal | rises);
            long down = rises & diagonal;
            if (length > 0) {
                distance += (int) (up >>> (length - 1) & 1) - (int) (down >>> (length - 1) & 1);
            }
            up = up << 1 | 1;
            long vertical = equal | falls;
            rises = down << 1 | ~(vertical | up);
            falls = up & vertical;
        }
        return length == 0 ? other.length() : distance;
    }

    /** For each character of ASCII a bit per place in the word where it stands. */
    private static long[] places(String word, int length) {
        long[] places = new long[ASCII];
        for (int i = 0; i < length; i++) {
            if (word.charAt(i) < ASCII) {
                places[word.charAt(i)] |= 1L << i;
            }
        }
        return places;
    }

    private static long places(String word, int length, char c) {
        long places = 0;
        for (int i = 0; i < length; i++) {
            places |= word.charAt(i) == c ? 1L << i : 0;
        }
        return places;
    }
}
