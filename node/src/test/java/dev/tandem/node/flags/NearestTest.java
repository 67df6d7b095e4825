package dev.tandem.node.flags;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Random;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

class NearestTest {
    private static final List<String> KNOWN = List.of("host", "port", "tensor-parallel-size", "data-parallel-size");

    @Test
    void shouldFindTheWordWithTheFewestChanges() {
        assertThat(Nearest.of("prot", KNOWN)).isEqualTo("port");
        assertThat(Nearest.of("dataparallelsize", KNOWN)).isEqualTo("data-parallel-size");
        assertThat(Nearest.of("", KNOWN)).isEqualTo("host");
        assertThat(Nearest.distance("kitten", "sitting")).isEqualTo(3);
    }

    @Test
    void shouldCompareNoMoreThanTheBeginningOfALongWord() {
        String megabyte = "tensor-parallel-size".concat("x".repeat(1 << 20));
        assertThat(Nearest.distance(megabyte, "tensor-parallel-size")).isEqualTo(44);
        assertThat(Nearest.of(megabyte, KNOWN)).isEqualTo("tensor-parallel-size");
    }

    @Test
    void shouldCountChangesAsTheTableOfAllBeginningsDoes() {
        var random = new Random(7);
        for (int round = 0; round < 5_000; round++) {
            String a = word(random, 70);
            String b = word(random, 30);
            assertThat(Nearest.distance(a, b))
                    .as("%s to %s", a, b)
                    .isEqualTo(byTable(a.substring(0, Math.min(64, a.length())), b));
        }
    }

    private static String word(Random random, int mostCharacters) {
        return random.ints(random.nextInt(mostCharacters + 1), 0, 4)
                .mapToObj(letter -> "ab\u00e9\u20ac".substring(letter, letter + 1))
                .collect(Collectors.joining());
    }

    private static int byTable(String a, String b) {
        int[][] changes = new int[a.length() + 1][b.length() + 1]; // [characters of a, characters of b]
        for (int i = 0; i <= a.length(); i++) {
            for (int j = 0; j <= b.length(); j++) {
                if (i == 0 || j == 0) {
                    changes[i][j] = i + j;
                } else {
                    int change = changes[i - 1][j - 1] + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
                    changes[i][j] = Math.min(change, Math.min(changes[i - 1][j], changes[i][j - 1]) + 1);
                }
            }
        }
        return changes[a.length()][b.length()];
    }
}
