package dev.tandem.engine.cluster.channel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class FrameChannelTest {
    private static final ChannelLimits PATIENT = new ChannelLimits(Duration.ofSeconds(30), 1 << 20, 64, 1 << 20);
    private static final ChannelLimits HASTY = new ChannelLimits(Duration.ofMillis(200), 1 << 20, 64, 1 << 20);

    private final List<AutoCloseable> opened = new ArrayList<>();

    @AfterEach
    void closeAll() throws Exception {
        for (AutoCloseable it : opened.reversed()) {
            it.close();
        }
    }

    /** What a side hears. */
    private static final class Ear implements FrameChannel.FrameHandler {
        final BlockingQueue<String> frames = new LinkedBlockingQueue<>();
        final BlockingQueue<String> ends = new LinkedBlockingQueue<>();
        final BlockingQueue<FrameChannel> channels = new LinkedBlockingQueue<>();
        volatile CountDownLatch gate = new CountDownLatch(0);
        volatile boolean isBroken;
        volatile boolean trusts = true;

        FrameChannel.FrameHandler on(FrameChannel channel) {
            if (trusts) {
                channel.trust();
            }
            channels.add(channel);
            return this;
        }

        @Override
        public void received(FrameKind kind, ByteBuffer body) {
            if (isBroken) {
                throw new IllegalStateException("broken");
            }
            try {
                gate.await();
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
            frames.add(kind + " " + body.remaining() + " " + sum(body));
        }

        @Override
        public void closed(String cause) {
            ends.add(cause);
        }

        String frame() throws InterruptedException {
            return taken(frames);
        }

        String end() throws InterruptedException {
            return taken(ends);
        }

        FrameChannel channel() throws InterruptedException {
            return taken(channels);
        }

        private static <T> T taken(BlockingQueue<T> queue) throws InterruptedException {
            T it = queue.poll(30, TimeUnit.SECONDS);
            assertThat(it).as("nothing came").isNotNull();
            return it;
        }
    }

    private static int sum(ByteBuffer body) {
        int sum = 0;
        while (body.hasRemaining()) {
            sum = 31 * sum + body.get();
        }
        return sum;
    }

    private static byte[] bytes(int count) {
        var bytes = new byte[count];
        new SplittableRandom(count).nextBytes(bytes);
        return bytes;
    }

    private static String shown(FrameKind kind, byte[] body) {
        return kind + " " + body.length + " " + sum(ByteBuffer.wrap(body));
    }

    private FrameListener listen(Ear ear, ChannelLimits limits, int connections) throws IOException {
        var listener = FrameListener.start(
                new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), limits, connections, ear::on);
        opened.add(listener);
        return listener;
    }

    private FrameChannel connect(FrameListener listener, Ear ear, ChannelLimits limits) throws IOException {
        FrameChannel channel = FrameChannel.connect(
                new InetSocketAddress(InetAddress.getLoopbackAddress(), listener.port()),
                Duration.ofSeconds(30),
                limits,
                ear::on);
        opened.add(channel);
        return channel;
    }

    private Socket socket(FrameListener listener) throws IOException {
        var socket = new Socket(InetAddress.getLoopbackAddress(), listener.port());
        opened.add(socket);
        return socket;
    }

    /** A frame as bytes. */
    private static byte[] frame(FrameKind kind, byte[] body) {
        ByteBuffer frame = ByteBuffer.allocate(FrameHeader.BYTES + body.length).order(ByteOrder.LITTLE_ENDIAN);
        new FrameHeader(kind, body.length).encode(frame);
        return frame.put(body).array();
    }

    @Test
    void shouldCarryFramesOfAnySizeInOrderBothWays() throws Exception {
        var there = new Ear();
        var here = new Ear();
        FrameChannel channel = connect(listen(there, PATIENT, 4), here, PATIENT);
        for (int size : new int[] {0, 1, 11, 65_523, 65_524, 65_525, 200_000, 1 << 20}) {
            byte[] body = bytes(size);
            assertThat(channel.send(FrameKind.HELLO, body)).isTrue();
            assertThat(there.frame()).isEqualTo(shown(FrameKind.HELLO, body));
        }
        FrameChannel back = there.channel();
        assertThat(back.offer(FrameKind.TOKEN, bytes(5))).isTrue();
        assertThat(back.offer(FrameKind.STATUS, bytes(6))).isTrue();
        assertThat(here.frame()).isEqualTo(shown(FrameKind.TOKEN, bytes(5)));
        assertThat(here.frame()).isEqualTo(shown(FrameKind.STATUS, bytes(6)));
    }

    @Test
    void shouldTellBothSidesOnceWhyItEnded() throws Exception {
        var there = new Ear();
        var here = new Ear();
        FrameChannel channel = connect(listen(there, PATIENT, 4), here, PATIENT);
        there.channel();
        channel.close("enough");
        channel.close("again");
        channel.close();
        assertThat(here.end()).isEqualTo("enough");
        assertThat(there.end()).isEqualTo("the peer closed it");
        assertThat(here.ends).isEmpty();
        assertThat(there.ends).isEmpty();
        assertThat(channel.send(FrameKind.TOKEN, bytes(1))).isFalse();
    }

    @Test
    void shouldWriteWhatIsQueuedBeforeItFinishes() throws Exception {
        var there = new Ear();
        var here = new Ear();
        FrameChannel channel = connect(listen(there, PATIENT, 4), here, PATIENT);
        for (int i = 0; i < 40; i++) {
            channel.send(FrameKind.TOKEN, bytes(10_000));
        }
        channel.finish("done");
        for (int i = 0; i < 40; i++) {
            assertThat(there.frame()).isEqualTo(shown(FrameKind.TOKEN, bytes(10_000)));
        }
        assertThat(there.end()).isEqualTo("the peer closed it");
        assertThat(here.end()).isEqualTo("done");
    }

    @Test
    void shouldStayOpenWhileBothSidesSendHeartbeats() throws Exception {
        var limits = new ChannelLimits(Duration.ofMillis(800), 1 << 20, 64, 1 << 20);
        var there = new Ear();
        Socket peer = socket(listen(there, limits, 4));
        peer.getOutputStream().write(frame(FrameKind.HELLO, bytes(1)));
        there.frame();
        for (int i = 0; i < 8; i++) { // twice as many quarters as are allowed
            assertThat(peer.getInputStream().readNBytes(FrameHeader.BYTES))
                    .isEqualTo(frame(FrameKind.HEARTBEAT, bytes(0)));
            peer.getOutputStream().write(frame(FrameKind.HEARTBEAT, bytes(0)));
        }
        assertThat(there.channel().isClosed()).isFalse();
    }

    @Test
    void shouldEndWhenThePeerIsSilent() throws Exception {
        var there = new Ear();
        Socket silent = socket(listen(there, HASTY, 4));
        silent.getOutputStream().write(frame(FrameKind.HELLO, bytes(1)));
        there.frame();
        assertThat(there.end()).isEqualTo("the peer was silent for 200 ms");
    }

    @Test
    void shouldEndWhenThePeerTakesNothing() throws Exception {
        var there = new Ear();
        Socket deaf = socket(listen(there, HASTY, 4));
        deaf.getOutputStream().write(frame(FrameKind.HELLO, bytes(1)));
        FrameChannel channel = there.channel();
        var keepAlive = Thread.ofVirtual().start(() -> {
            try {
                while (true) {
                    deaf.getOutputStream().write(frame(FrameKind.HEARTBEAT, bytes(0)));

                    LockSupport.parkNanos(20_000_000);
                }
            } catch (IOException itEnded) {
                // what the test waits for
            }
        });
        while (channel.send(FrameKind.TOKEN, bytes(500_000))) {
            // until the sockets' buffers and the queue are full
        }
        assertThat(there.end()).isEqualTo("the peer took nothing of what was written for 200 ms");
        deaf.close();
        keepAlive.join();
    }

    @Test
    void shouldRefuseFramesAtOnceWhenTheQueueIsFull() throws Exception {
        var there = new Ear();
        there.gate = new CountDownLatch(1);
        var here = new Ear();
        FrameChannel channel = connect(listen(there, PATIENT, 4), here, PATIENT);
        var released = new AtomicInteger();
        int taken = 0;
        while (channel.offer(FrameKind.TOKEN, bytes(500_000), 400_000, released::incrementAndGet)) {
            taken++;
        }
        assertThat(released.get()).isLessThan(taken);
        there.gate.countDown();
        for (int i = 0; i < taken; i++) {
            assertThat(there.frame()).isEqualTo(shown(FrameKind.TOKEN, Arrays.copyOf(bytes(500_000), 400_000)));
        }
        assertThat(channel.send(FrameKind.TOKEN, bytes(1))).isTrue();
        there.frame();
        assertThat(released.get()).isEqualTo(taken);
    }

    @Test
    void shouldReleaseBuffersThatWereNeverWritten() throws Exception {
        var there = new Ear();
        there.gate = new CountDownLatch(1);
        FrameChannel channel = connect(listen(there, PATIENT, 4), new Ear(), PATIENT);
        var released = new AtomicInteger();
        int taken = 0;
        while (channel.offer(FrameKind.TOKEN, bytes(500_000), 500_000, released::incrementAndGet)) {
            taken++;
        }
        channel.close();
        there.gate.countDown();
        there.end();
        assertThat(released.get()).isEqualTo(taken);
    }

    @Test
    void shouldNameTheFieldOfAHostileHeader() throws Exception {
        var cases = new LinkedHashMap<String, byte[]>();
        byte[] good = frame(FrameKind.HELLO, bytes(4));
        cases.put("magic is 4d444e58, but must be \"TNDM\"", changed(good, 0, 'X'));
        cases.put("framing is 2, but must be 1", changed(good, 4, 2));
        cases.put("kind is 9, but must be the code of a kind", changed(good, 5, 9));
        cases.put("kind is -1, but must be the code of a kind", changed(good, 5, -1));
        cases.put("reserved field is 7, but must be 0", changed(good, 6, 7));
        cases.put("body bytes of HELLO is 4278190084, but must be 0 to 131072", changed(good, 11, 255));
        cases.put("body bytes of HELLO is 262148, but must be 0 to 131072", changed(good, 10, 4));
        cases.put("body bytes of HEARTBEAT is 4, but must be 0 to 0", changed(good, 5, 0));
        var there = new Ear();
        there.trusts = false;
        FrameListener listener = listen(there, PATIENT, 4);
        for (var each : cases.entrySet()) {
            socket(listener).getOutputStream().write(each.getValue());
            assertThat(there.end()).isEqualTo("protocol error: " + each.getKey());
        }
        assertThat(there.frames).isEmpty();
    }

    private static byte[] changed(byte[] frame, int at, int value) {
        byte[] changed = frame.clone();
        changed[at] = (byte) value;
        return changed;
    }

    @Test
    void shouldEndWhenAFrameIsCutShort() throws Exception {
        var there = new Ear();
        FrameListener listener = listen(there, PATIENT, 4);
        for (int length : new int[] {3, FrameHeader.BYTES, FrameHeader.BYTES + 3}) {
            Socket socket = socket(listener);
            socket.getOutputStream().write(Arrays.copyOf(frame(FrameKind.HELLO, bytes(4)), length));
            socket.shutdownOutput();
            assertThat(there.end()).isEqualTo("the peer closed it in the middle of a frame");
        }
    }

    @Test
    void shouldEndWhenNothingButHeartbeatsOrATrickleComesAtFirst() throws Exception {
        var there = new Ear();
        FrameListener listener = listen(there, HASTY, 4);
        for (byte[] drop : new byte[][] {frame(FrameKind.HEARTBEAT, bytes(0)), {'T'}}) {
            Socket socket = socket(listener);
            var flood = Thread.ofVirtual().start(() -> {
                byte[] frame = frame(FrameKind.HELLO, bytes(100_000));
                try {
                    for (int i = 0; ; i++) {
                        socket.getOutputStream().write(drop.length == 1 ? new byte[] {frame[i]} : drop);
                        LockSupport.parkNanos(10_000_000);
                    }
                } catch (IOException itEnded) {
                    // what the test waits for
                }
            });
            assertThat(there.end())
                    .isEqualTo("protocol error: time of the first frame is longer, but must be at most 200 ms");
            flood.join();
        }
    }

    @Test
    void shouldSurviveRandomBytes() throws Exception {
        var there = new Ear();
        FrameListener listener = listen(there, PATIENT, 4);
        for (int seed = 0; seed < 100; seed++) {
            var random = new SplittableRandom(seed);
            byte[] bytes = frame(FrameKind.HELLO, bytes(random.nextInt(64)));
            for (int flips = random.nextInt(1, 4); flips > 0; flips--) {
                bytes[random.nextInt(bytes.length)] = (byte) random.nextInt();
            }
            try (var socket = new Socket(InetAddress.getLoopbackAddress(), listener.port())) {
                socket.getOutputStream().write(bytes);
                socket.shutdownOutput();
                assertThat(there.end()).isNotBlank();
            }
        }
        FrameChannel channel = connect(listener, new Ear(), PATIENT);
        there.frames.clear();
        channel.send(FrameKind.HELLO, bytes(3));
        assertThat(there.frame()).isEqualTo(shown(FrameKind.HELLO, bytes(3)));
    }

    @Test
    void shouldEndOnlyTheConnectionWhoseHandlerFails() throws Exception {
        var there = new Ear();
        FrameListener listener = listen(there, PATIENT, 4);
        FrameChannel broken = connect(listener, new Ear(), PATIENT);
        there.isBroken = true;
        broken.send(FrameKind.HELLO, bytes(1));
        assertThat(there.end()).isEqualTo("fault of this side: java.lang.IllegalStateException: broken");
        there.isBroken = false;
        connect(listener, new Ear(), PATIENT).send(FrameKind.HELLO, bytes(2));
        assertThat(there.frame()).isEqualTo(shown(FrameKind.HELLO, bytes(2)));
    }

    @Test
    void shouldCloseConnectionsBeyondTheBoundAtOnce() throws Exception {
        var there = new Ear();
        FrameListener listener = listen(there, PATIENT, 2);
        FrameChannel first = connect(listener, new Ear(), PATIENT);
        connect(listener, new Ear(), PATIENT);
        there.channel();
        there.channel();
        InputStream refused = socket(listener).getInputStream();
        assertThat(refused.read()).isEqualTo(-1);
        first.close();
        there.end();
        var again = new Ear();
        connect(listener, again, PATIENT).send(FrameKind.HELLO, bytes(2));
        assertThat(there.frame()).isEqualTo(shown(FrameKind.HELLO, bytes(2)));
    }

    @Test
    void shouldTakeAPeerInPlaceOfAStrangerThatSaysNothing() throws Exception {
        var there = new Ear();
        there.trusts = false;
        FrameListener listener = listen(there, PATIENT, 2);
        Socket stranger = socket(listener);
        socket(listener);
        there.channel();
        there.channel();
        FrameChannel peer = connect(listener, new Ear(), PATIENT);
        assertThat(peer.send(FrameKind.HELLO, bytes(5))).isTrue();
        assertThat(there.frame()).isEqualTo(shown(FrameKind.HELLO, bytes(5)));
        assertThat(there.end()).isEqualTo("it has not said who it is, and others come");
        assertThat(stranger.getInputStream().read()).isEqualTo(-1);
    }

    @Test
    void shouldNameTheAddressThatCannotBeBoundOrReached() throws Exception {
        FrameListener listener = listen(new Ear(), PATIENT, 2);
        var taken = new InetSocketAddress(InetAddress.getLoopbackAddress(), listener.port());
        assertThatThrownBy(() -> FrameListener.start(taken, PATIENT, 2, new Ear()::on))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("cannot listen at")
                .hasMessageContaining("" + listener.port());
        try (var closed = new Socket()) { // bound and not listened on: nobody else is given its port
            closed.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
            var nobody = new InetSocketAddress(InetAddress.getLoopbackAddress(), closed.getLocalPort());
            assertThatThrownBy(() -> FrameChannel.connect(nobody, Duration.ofSeconds(5), PATIENT, new Ear()::on))
                    .isInstanceOf(IOException.class);
        }
    }
}
