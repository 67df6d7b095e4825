package dev.tandem.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.List;
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

    @Test
    void shouldWarmUpUntilRoundsAreSteady() {
        var shapes = new KernelWarmUp.Shapes(
                List.of(DType.BF16, DType.Q8_0), DType.F32, DType.BF16, new AttentionShape(6, 2, 16, 0.25f), 96);
        try (var threads = new KernelThreads(2)) {
            var report = KernelWarmUp.run(new ScalarKernels(), threads, shapes, Duration.ofMinutes(2));
            assertThat(report.isSettled()).isTrue();
            assertThat(report.rounds()).isGreaterThan(1);
            var hasty = KernelWarmUp.run(new VectorKernels(), threads, shapes, Duration.ZERO);
            assertThat(hasty.rounds()).isZero();
            assertThat(hasty.isSettled()).isFalse();
        }
    }
}
