package dev.tandem.engine.handoff.sidechannel;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.counter.Counters;
import dev.tandem.engine.handoff.HandoffCounter;
import dev.tandem.engine.handoff.HandoffLimits;
import dev.tandem.engine.handoff.zmtp.ZmtpLimits;
import dev.tandem.trust.PeerTrust;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(120)
class SideChannelWatchTest {
    private static final String HOST = "127.0.0.1";
    private static final ZmtpLimits SOCKETS = ZmtpLimits.ofThisProcess(1 << 16, 1 << 20);
    private static final SideChannelWatch.Schedule OFTEN =
            new SideChannelWatch.Schedule(Duration.ofMillis(5), Duration.ofMillis(100), 2);

    private final Counters<HandoffCounter> counters = new Counters<>(HandoffCounter.class);

    private SideChannel start() {
        return ZmtpSideChannel.start(HandoffLimits.standard(), SOCKETS, OFTEN, counters);
    }

    private static int listen(SideChannel channel) {
        return channel.listen(HOST, 0, 2, (first, rank) -> (peer, payload) -> Optional.empty());
    }

    @Test
    void shouldSayWhichPortOfAHangingThreadDoesNotAnswerAndTakeItBack() {
        try (SideChannel channel = start()) {
            int port = listen(channel);
            var mayGoOn = new CompletableFuture<Boolean>();
            channel.execute(mayGoOn::join);
            await(() -> channel.trouble().isPresent());
            assertThat(channel.trouble().orElseThrow())
                    .contains("the side channel does not answer: " + HOST + ":")
                    .containsAnyOf(Integer.toString(port), Integer.toString(port + 1));
            assertThat(channel.offer(() -> {})).as("new work").isFalse();
            mayGoOn.complete(true);
            await(() -> channel.trouble().isEmpty());
            assertThat(channel.offer(() -> {})).as("new work").isTrue();
        }
        assertThat(counters.value(HandoffCounter.SIDE_CHANNEL_SILENT)).isGreaterThanOrEqualTo(2);
    }

    @Test
    void shouldNoticeAHangingThreadThatHasNoPort() {
        try (SideChannel channel = start()) {
            var mayGoOn = new CompletableFuture<Boolean>();
            channel.execute(mayGoOn::join);
            await(() -> channel.trouble().isPresent());
            assertThat(channel.trouble().orElseThrow()).contains("its thread does nothing");
            mayGoOn.complete(true);
        }
    }

    @Test
    void shouldSayWhyTheThreadDiedAndTakeNoNewWork() {
        try (SideChannel channel = start()) {
            listen(channel);
            channel.execute(() -> {
                throw new IllegalStateException("on purpose");
            });
            await(() -> channel.trouble().isPresent() && !channel.isRunning());
            assertThat(channel.trouble().orElseThrow()).contains("died").contains("on purpose");
            assertThat(channel.offer(() -> {})).isFalse();
        }
    }

    @Test
    void shouldStayWithThePortThatDoesNotAnswer() throws IOException {
        try (var silent = new ServerSocket(0, 50, InetAddress.getByName(HOST));
                SideChannel channel = start();
                var watch =
                        new SideChannelWatch(OFTEN, SOCKETS.sizes(), PeerTrust.everybody(), Runnable::run, counters)) {
            watch.add(new InetSocketAddress(HOST, listen(channel)));
            watch.add(new InetSocketAddress(HOST, silent.getLocalPort()));
            watch.start();
            await(() -> watch.verdict().isPresent());
            assertThat(watch.verdict().orElseThrow()).contains(":" + silent.getLocalPort() + ": ");
            watch.remove(silent.getLocalPort());
            await(() -> watch.verdict().isEmpty());
        }
    }

    private static void await(BooleanSupplier isTrue) {
        long endNs = System.nanoTime() + Duration.ofSeconds(60).toNanos();
        while (!isTrue.getAsBoolean()) {
            assertThat(System.nanoTime() - endNs).as("in time").isNegative();
            Thread.yield();
        }
    }
}
