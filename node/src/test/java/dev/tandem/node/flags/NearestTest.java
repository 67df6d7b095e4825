package dev.tandem.node.flags;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
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
}
