package dev.tandem.kv;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.kernel.DType;
import java.util.List;
import org.junit.jupiter.api.Test;

class KvSizingTest {
    private static final KvLayout LAYOUT =
            new KvLayout(16, List.of(new KvPlane("k.0", DType.F32, 2, 8, 0, 2))); // 1 KiB per block

    @Test
    void shouldRoundBytesDownToBlocks() {
        assertThat(KvSizing.blockCount(LAYOUT, 10 * 1024, 160)).isEqualTo(10);
        assertThat(KvSizing.blockCount(LAYOUT, 11 * 1024 - 1, 160)).isEqualTo(10);
    }

    @Test
    void shouldNameBothLimitsWhenOneSequenceDoesNotFit() {
        assertThatThrownBy(() -> KvSizing.blockCount(LAYOUT, 10 * 1024, 161))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(
                        "KV cache memory of 10240 bytes holds 160 tokens in 10 blocks of 1024 bytes, but max model length"
                                + " 161 needs 11 blocks: raise the memory to 11264 bytes, or lower max model length to 160");
    }

    @Test
    void shouldNotHandOutMoreBlocksThanSlotsCanNumber() {
        assertThat(KvSizing.blockCount(LAYOUT, Long.MAX_VALUE, 1)).isEqualTo(Integer.MAX_VALUE / 16);
    }
}
