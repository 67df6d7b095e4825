package dev.tandem.layer;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.kernel.DType;
import dev.tandem.kernel.KernelThreads;
import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.Tensor;
import dev.tandem.kernel.selection.KernelSelection;
import dev.tandem.parallel.GatherBuffer;
import dev.tandem.parallel.Rank;
import dev.tandem.parallel.TensorGroup;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class ShardedLinearTest {
    private static final int ROWS = 3;
    private static final int INPUTS = 64;
    private static final int OUTPUTS = 24;

    private final KernelThreads threads = new KernelThreads(1);

    @ParameterizedTest
    @EnumSource(names = {"F32", "BF16", "Q8_0", "Q4_0", "Q4_1"})
    void shouldGiveSameBitsFromAnyNumberOfRanks(DType dtype) {
        Tensor weight = weight(dtype);
        Matrix x = input();
        GatherBuffer whole = GatherBuffer.of(Rank.SINGLE, ROWS, OUTPUTS);
        ShardedLinear.byRank(context(Rank.SINGLE), weight).forwardWhole(x, ROWS, whole);
        assertThat(whole.whole().values()).doesNotContain(0f).doesNotContain(Float.NaN);
        for (int tpSize : new int[] {2, 4, 8}) {
            Matrix parts = Matrix.of(ROWS, OUTPUTS);
            for (int tp = 0; tp < tpSize; tp++) {
                ShardedLinear shard = ShardedLinear.byRank(context(new Rank(tp, tpSize, 0, 1)), weight);
                assertThat(shard.outputs()).isEqualTo(OUTPUTS / tpSize);
                shard.forward(x, ROWS, parts, tp * shard.outputs());
            }
            assertThat(parts.values()).containsExactly(whole.whole().values());
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"F32", "BF16", "Q8_0", "Q4_0", "Q4_1"})
    void shouldGiveSameBitsForChosenRows(DType dtype) {
        ShardedLinear linear = ShardedLinear.byRank(context(Rank.SINGLE), weight(dtype));
        Matrix x = input();
        Matrix all = Matrix.of(ROWS, OUTPUTS);
        Matrix chosen = Matrix.of(ROWS, OUTPUTS);
        linear.forward(x, ROWS, all, 0);
        linear.forwardRows(x, new int[] {2, 0}, chosen, new int[] {0, 1}, 2);
        for (int i = 0; i < OUTPUTS; i++) {
            assertThat(chosen.values()[i]).isEqualTo(all.values()[2 * OUTPUTS + i]);
            assertThat(chosen.values()[OUTPUTS + i]).isEqualTo(all.values()[i]);
        }
    }

    private RankContext context(Rank rank) {
        return new RankContext(
                rank, TensorGroup.single().member(0), KernelSelection.best().kernels(threads), Optional.empty());
    }

    private static Matrix input() {
        Matrix x = Matrix.of(ROWS, INPUTS);
        for (int i = 0; i < x.values().length; i++) {
            x.values()[i] = (float) Math.sin(i * 0.7 + 0.1);
        }
        return x;
    }

    /** Bytes of a weight: any bytes are values of a quantised type, except that scales, in front of every block, must be ordinary. */
    private static Tensor weight(DType dtype) {
        var bytes = new byte[(int) dtype.bytes((long) OUTPUTS * INPUTS)];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) (i * 37 + i / 64);
        }
        int step = dtype.blockBytes();
        for (int block = 0; block < bytes.length; block += step) {
            putScale(dtype, bytes, block);
        }
        return new Tensor(dtype, List.of(OUTPUTS, INPUTS), MemorySegment.ofArray(bytes));
    }

    private static void putScale(DType dtype, byte[] bytes, int block) {
        switch (dtype) {
            case F32 -> bytes[block + 3] = 0x3d; // 0.03 to 0.12
            case BF16 -> bytes[block + 1] = 0x3d;
            case Q4_1 -> {
                bytes[block + 1] = 0x2c; // half precision, 0.06 to 0.12
                bytes[block + 3] = 0x2c;
            }
            default -> bytes[block + 1] = 0x2c;
        }
    }
}
