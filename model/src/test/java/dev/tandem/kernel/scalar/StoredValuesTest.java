package dev.tandem.kernel.scalar;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.kernel.DType;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.junit.jupiter.api.Test;

class StoredValuesTest {
    private static final float SCALE = 0.5f;
    private static final float MINIMUM = -3f;

    @Test
    void shouldRoundToBfloat16ToNearestWithTiesToEven() {
        assertThat(widened(StoredValues.toBfloat16(1f))).isEqualTo(1f);
        assertThat(widened(StoredValues.toBfloat16(1f + 0x1p-8f))).isEqualTo(1f); // tie, even below
        assertThat(widened(StoredValues.toBfloat16(1f + 3 * 0x1p-8f))).isEqualTo(1f + 0x1p-6f); // tie, even above
        assertThat(widened(StoredValues.toBfloat16(1f + 0x1p-8f + 0x1p-20f))).isEqualTo(1f + 0x1p-7f);
        assertThat(widened(StoredValues.toBfloat16(Float.MAX_VALUE))).isEqualTo(Float.POSITIVE_INFINITY);
        assertThat(widened(StoredValues.toBfloat16(Float.NEGATIVE_INFINITY))).isEqualTo(Float.NEGATIVE_INFINITY);
        assertThat(widened(StoredValues.toBfloat16(Float.intBitsToFloat(0x7F800001))))
                .isNaN();
    }

    @Test
    void shouldKeepEveryBfloat16ThroughARoundTrip() {
        for (int bits = Short.MIN_VALUE; bits <= Short.MAX_VALUE; bits++) {
            float value = widened((short) bits);
            if (!Float.isNaN(value)) {
                assertThat(StoredValues.toBfloat16(value)).isEqualTo((short) bits);
            }
        }
    }

    @Test
    void shouldWidenQ8Blocks() {
        ByteBuffer block = block(34).putShort(Float.floatToFloat16(SCALE));
        for (int i = 0; i < 32; i++) {
            block.put((byte) (i - 16));
        }
        float[] values = widen(DType.Q8_0, block, 32);
        for (int i = 0; i < 32; i++) {
            assertThat(values[i]).isEqualTo(SCALE * (i - 16));
        }
    }

    @Test
    void shouldWidenLowNibblesFirstInQ4Blocks() {
        float[] zeroed = widen(DType.Q4_0, nibbles(block(18).putShort(Float.floatToFloat16(SCALE))), 32);
        float[] shifted = widen(
                DType.Q4_1,
                nibbles(block(20).putShort(Float.floatToFloat16(SCALE)).putShort(Float.floatToFloat16(MINIMUM))),
                32);
        for (int i = 0; i < 16; i++) {
            assertThat(zeroed[i]).isEqualTo(SCALE * (i - 8));
            assertThat(zeroed[i + 16]).isEqualTo(SCALE * (15 - i - 8));
            assertThat(shifted[i]).isEqualTo(SCALE * i + MINIMUM);
            assertThat(shifted[i + 16]).isEqualTo(SCALE * (15 - i) + MINIMUM);
        }
    }

    @Test
    void shouldStoreWhatItWidens() {
        var values = new float[] {1.5f, -2f, 0f, 1024f};
        for (DType dtype : new DType[] {DType.F32, DType.F16, DType.BF16}) {
            ByteBuffer memory = block((int) dtype.bytes(4));
            StoredValues.store(dtype, values, 0, 4, MemorySegment.ofBuffer(memory), 0);
            assertThat(widen(dtype, memory, 4)).containsExactly(values);
        }
    }

    private static ByteBuffer nibbles(ByteBuffer block) {
        for (int i = 0; i < 16; i++) {
            block.put((byte) (i | (15 - i) << 4));
        }
        return block;
    }

    private static float[] widen(DType dtype, ByteBuffer memory, int count) {
        var out = new float[count];
        StoredValues.widen(dtype, MemorySegment.ofBuffer(memory.rewind()), 0, out, 0, count);
        return out;
    }

    private static ByteBuffer block(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static float widened(short bits) {
        return StoredValues.fromBfloat16(bits);
    }
}
