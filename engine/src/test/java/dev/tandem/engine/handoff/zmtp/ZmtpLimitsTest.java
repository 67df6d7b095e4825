package dev.tandem.engine.handoff.zmtp;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class ZmtpLimitsTest {
    @Test
    void shouldTakeAShareOfHeapAndDescriptors() {
        ZmtpLimits small = ZmtpLimits.of(1, 1, 512L << 20, 256);
        assertThat(small.memory().totalBytes()).isEqualTo(32L << 20);
        assertThat(small.crowd()).isEqualTo(new ZmtpLimits.Crowd(64, 64, 64, 16));
        ZmtpLimits large = ZmtpLimits.of(1, 1, 64L << 30, Long.MAX_VALUE);
        assertThat(large.crowd()).isEqualTo(new ZmtpLimits.Crowd(4096, 1024, 512, 16));
    }

    @Test
    void shouldReadWhatThisProcessMayOpen() {
        assertThat(ZmtpLimits.ofThisProcess(1, 1).crowd().connections()).isPositive();
    }
}
