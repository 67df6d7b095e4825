package dev.tandem.engine.handoff.sidechannel;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.counter.Counters;
import dev.tandem.engine.handoff.HandoffCounter;
import dev.tandem.engine.handoff.HandoffLimits;
import dev.tandem.engine.handoff.plan.PeerMetadata;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A stranger's bytes at a side channel as a node opens it; behind each attack a peer is answered as before. */
@Timeout(120)
class SideChannelAttackTest {
    private static final String HOST = "127.0.0.1";
    private static final int LONG_MORE = 3;

    private final Counters<HandoffCounter> counters = new Counters<>(HandoffCounter.class);
    private final PeerMetadata metadata =
            new PeerMetadata("0", 15_001, List.of(1L << 45, 1L << 46), 1 << 30, Optional.empty());
    private final SideChannel channel = ZmtpSideChannel.start(HandoffLimits.standard(), counters);
    private final int port = channel.listen(
            HOST,
            0,
            1,
            (first, rank) -> new SideChannelServer(
                    metadata,
                    new RankEndpoint(HOST, first, rank, 1),
                    (report, at) -> true,
                    counters,
                    new MooncakeDialect("1", 1)));

    @AfterEach
    void close() {
        channel.close();
    }

    private static byte[] greeting() {
        var greeting = new byte[64];
        greeting[0] = (byte) 0xff;
        greeting[9] = 0x7f;
        greeting[10] = 3;
        System.arraycopy("NULL".getBytes(StandardCharsets.US_ASCII), 0, greeting, 12, 4);
        return greeting;
    }

    private static byte[] longFrame(int flags, long length) {
        return ByteBuffer.allocate(9).put((byte) flags).putLong(length).array();
    }

    private static byte[] ready(String type) {
        byte[] name = "Socket-Type".getBytes(StandardCharsets.US_ASCII);
        byte[] value = type.getBytes(StandardCharsets.US_ASCII);
        int body = 6 + 1 + name.length + 4 + value.length;
        return ByteBuffer.allocate(2 + body)
                .put((byte) 4)
                .put((byte) body)
                .put((byte) 5)
                .put("READY".getBytes(StandardCharsets.US_ASCII))
                .put((byte) name.length)
                .put(name)
                .putInt(value.length)
                .put(value)
                .array();
    }

    /** A fresh peer asks and is answered. */
    private void assertServes() {
        try (var asker = ZmtpSideChannel.start(HandoffLimits.standard(), new Counters<>(HandoffCounter.class))) {
            var answer = new CompletableFuture<byte[]>();
            asker.execute(() -> asker.client()
                    .ask(
                            SideChannel.endpoint(HOST, Integer.toString(port)),
                            SideChannelCodec.encodeGetMetadata(),
                            answer::complete,
                            answer::completeExceptionally));
            assertThat(answer.orTimeout(60, TimeUnit.SECONDS).join())
                    .satisfies(reply ->
                            assertThat(SideChannelCodec.decodeMetadata(reply)).isEqualTo(metadata));
        }
    }

    /** 64 bytes of greeting and a frame that says that it is 2^63 bytes long, or more. */
    @Test
    void shouldServeBehindSeventyThreeBytesWithANegativeLength() throws IOException {
        for (long length : new long[] {Long.MIN_VALUE, -1, Long.MAX_VALUE, 1L << 32}) {
            for (int flags : new int[] {2, LONG_MORE, 6}) {
                try (var raw = new Socket(HOST, port)) {
                    raw.getOutputStream().write(greeting());
                    raw.getOutputStream().write(longFrame(flags, length));
                    readToEnd(raw.getInputStream());
                }
            }
        }
        assertServes();
    }

    /** The same behind READY, where lengths of messages are read. */
    @Test
    void shouldServeBehindANegativeLengthOfAMessage() throws IOException {
        for (long length : new long[] {Long.MIN_VALUE, -1, Long.MAX_VALUE, SideChannelCodec.MAX_REQUEST_BYTES + 1}) {
            try (var raw = new Socket(HOST, port)) {
                raw.getOutputStream().write(greeting());
                raw.getOutputStream().write(ready("DEALER"));
                raw.getOutputStream().write(longFrame(2, length));
                readToEnd(raw.getInputStream());
            }
        }
        assertServes();
    }

    @Test
    void shouldEndAMessageThatHasNoEnd() throws IOException {
        var part = ByteBuffer.allocate(9 + 32_000)
                .put(longFrame(LONG_MORE, 32_000))
                .array();
        long sent = 0;
        try (var raw = new Socket(HOST, port)) {
            OutputStream out = raw.getOutputStream();
            shakeHands(raw);
            while (sent < 256L << 20) {
                out.write(part);
                sent += part.length;
            }
        } catch (IOException refused) {
            assertThat(sent).isLessThan(64L << 20);
        }
        assertThat(sent).as("bytes of one message that were taken").isLessThan(64L << 20);
        assertServes();
    }

    @Test
    void shouldEndAMessageOfEndlesslyManyEmptyParts() throws IOException {
        var parts = new byte[64 << 10]; // flags MORE, length 0, and again
        for (int at = 0; at < parts.length; at += 2) {
            parts[at] = 1;
        }
        long sent = 0;
        try (var raw = new Socket(HOST, port)) {
            OutputStream out = raw.getOutputStream();
            shakeHands(raw);
            while (sent < 64L << 20) {
                out.write(parts);
                sent += parts.length;
            }
        } catch (IOException refused) {
            assertThat(sent).isLessThan(64L << 20);
        }
        assertThat(sent).as("bytes of one message that were taken").isLessThan(32L << 20);
        assertServes();
    }

    /** As a peer that has nothing to hide: each step behind the other side's. */
    private static void shakeHands(Socket raw) throws IOException {
        raw.getOutputStream().write(greeting());
        assertThat(raw.getInputStream().readNBytes(64)).hasSize(64);
        raw.getOutputStream().write(ready("DEALER"));
        assertThat(raw.getInputStream().read()).as("READY").isEqualTo(4);
        raw.getInputStream().skipNBytes(raw.getInputStream().read());
    }

    private static void readToEnd(InputStream in) {
        try {
            in.readAllBytes();
        } catch (IOException reset) {
            assertThat(reset).isNotNull(); // also an end
        }
    }
}
