package dev.tandem.kernel.selection;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.kernel.KernelThreads;
import dev.tandem.kernel.scalar.ScalarKernels;
import dev.tandem.kernel.vector.VectorKernels;
import org.junit.jupiter.api.Test;

class KernelSelectionTest {
    @Test
    void shouldChooseVectorsWhereTheBuildRuns() {
        KernelSelection best = KernelSelection.best();
        try (var threads = new KernelThreads(1)) {
            assertThat(best.kernels(threads)).isInstanceOf(VectorKernels.class);
        }
        assertThat(best.reason()).isEqualTo("widest vectors of this machine");
        assertThat(KernelSelection.named("auto").name()).isEqualTo(best.name());
    }

    @Test
    void shouldGiveKernelsByName() {
        try (var threads = new KernelThreads(1)) {
            assertThat(KernelSelection.named("scalar").kernels(threads)).isInstanceOf(ScalarKernels.class);
        }
        String best = KernelSelection.best().name();
        assertThat(KernelSelection.named(best).name()).isEqualTo(best);
    }

    @Test
    void shouldSayHowToGetAnotherWidth() {
        String other = KernelSelection.best().name().equals("vector-128") ? "vector-256" : "vector-128";
        assertThatThrownBy(() -> KernelSelection.named(other))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(other)
                .hasMessageContaining("-XX:MaxVectorSize=");
    }

    @Test
    void shouldRefuseAnUnknownName() {
        assertThatThrownBy(() -> KernelSelection.named("vector-1024"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("expected auto, scalar, vector-128, vector-256 or vector-512");
    }
}
