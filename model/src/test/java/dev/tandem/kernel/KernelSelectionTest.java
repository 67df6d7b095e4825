package dev.tandem.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

class KernelSelectionTest {
    @Test
    void shouldChooseVectorsWhereTheBuildRuns() {
        KernelSelection best = KernelSelection.best();
        assertThat(best.kernels()).isInstanceOf(VectorKernels.class);
        assertThat(best.reason()).isEqualTo("widest vectors of this machine");
        assertThat(KernelSelection.named("auto").kernels().name())
                .isEqualTo(best.kernels().name());
    }

    @Test
    void shouldGiveKernelsByName() {
        assertThat(KernelSelection.named("scalar").kernels()).isInstanceOf(ScalarKernels.class);
        String best = KernelSelection.best().kernels().name();
        assertThat(KernelSelection.named(best).kernels().name()).isEqualTo(best);
    }

    @Test
    void shouldSayHowToGetAnotherWidth() {
        String other = KernelSelection.best().kernels().name().equals("vector-128") ? "vector-256" : "vector-128";
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
