package dev.tandem.transfer;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.transfer.TransferConfig.Bounds;
import dev.tandem.transfer.wire.Opcode;
import dev.tandem.transfer.wire.RequestHeader;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What strangers may take of the data port: connections, headers that do not end, addresses that they guess. */
@Timeout(value = 60, unit = TimeUnit.SECONDS)
class DataPortBoundsTest {
    private static final String HOST = "127.0.0.1";
    private static final String OTHER_HOST = "127.0.0.77"; // of this machine, too
    private static final Duration DAY = Duration.ofDays(1);

    private final Arena arena = Arena.ofShared();
    private final MemorySegment memory = arena.allocate(4096);
    private final Deque<AutoCloseable> opened = new ArrayDeque<>();

    @AfterEach
    void close() throws Exception {
        while (!opened.isEmpty()) {
            opened.pop().close();
        }
        arena.close();
    }

    @Test
    void shouldRefuseAHostThatHasGuessedTooOften() throws IOException {
        TransferEngine engine = engine(new Bounds(100, 100, 5, DAY), DAY);
        for (int guess = 0; guess < 5; guess++) {
            assertThat(isServed(dial(engine, OTHER_HOST), 1 + guess)).isFalse();
        }
        assertThat(isServed(dial(engine, OTHER_HOST), memory.address()))
                .as("a right one")
                .isFalse();
        assertThat(isServed(dial(engine, HOST), memory.address()))
                .as("another host")
                .isTrue();
        assertThat(count(engine, TransferCounter.GUESSED_REQUESTS)).isEqualTo(5);
        assertThat(count(engine, TransferCounter.BLOCKED_REQUESTS)).isEqualTo(1);
    }

    @Test
    void shouldNotTakeALateReaderForAStranger() throws IOException {
        TransferEngine engine = engine(new Bounds(100, 100, 1, DAY), DAY);
        var lent = new LentOnce();
        engine.register(lent);
        for (int late = 0; late < 10; late++) {
            assertThat(isServed(dial(engine, HOST), lent.address())).isFalse();
        }
        assertThat(count(engine, TransferCounter.REFUSED_REQUESTS)).isEqualTo(10);
        assertThat(count(engine, TransferCounter.GUESSED_REQUESTS)).isZero();
    }

    @Test
    void shouldMakeRoomByClosingWhatNobodyHasUsedForLongest() throws IOException {
        TransferEngine engine = engine(new Bounds(3, 3, 5, DAY), DAY);
        Socket oldest = dial(engine, HOST);
        assertThat(isServed(oldest, memory.address())).isTrue();
        Socket middle = dial(engine, HOST);
        assertThat(isServed(middle, memory.address())).isTrue();
        Socket last = dial(engine, HOST);
        assertThat(isServed(last, memory.address())).isTrue();
        assertThat(isServed(oldest, memory.address())).isTrue();

        assertThat(isServed(dial(engine, HOST), memory.address())).isTrue();

        assertThat(middle.getInputStream().read()).isNegative();
        assertThat(isServed(oldest, memory.address())).isTrue();
        assertThat(isServed(last, memory.address())).isTrue();
        assertThat(count(engine, TransferCounter.CONNECTIONS_DISPLACED)).isEqualTo(1);
    }

    @Test
    void shouldKeepAPlaceForOtherHosts() throws IOException {
        TransferEngine engine = engine(new Bounds(100, 2, 5, DAY), DAY);
        List<Socket> busy = new ArrayList<>();
        for (int index = 0; index < 2; index++) {
            Socket socket = dial(engine, OTHER_HOST);
            socket.getOutputStream().write(header(Opcode.WRITE_V2, memory.address(), 100)); // and no body
            busy.add(socket);
        }
        while (count(engine, TransferCounter.SERVED_REQUESTS) < 2) {
            Thread.onSpinWait();
        }

        assertThat(dial(engine, OTHER_HOST).getInputStream().read()).isNegative();
        assertThat(isServed(dial(engine, HOST), memory.address())).isTrue();
        assertThat(count(engine, TransferCounter.CONNECTIONS_REFUSED)).isEqualTo(1);
        assertThat(busy).hasSize(2);
    }

    @Test
    void shouldLetAHalfSentHeaderGoWhenAnotherNeedsItsPlace() throws IOException {
        TransferEngine engine = engine(new Bounds(1, 1, 5, DAY), DAY);
        Socket half = dial(engine, HOST);
        half.getOutputStream().write(new byte[] {1, 2, 3});

        while (!isServed(dial(engine, HOST), memory.address())) {
            Thread.onSpinWait(); // refused as long as the header may still be on its way
        }

        assertThat(half.getInputStream().read()).isNegative();
    }

    @Test
    void shouldCloseAHeaderThatTrickles() throws IOException {
        TransferEngine engine = engine(new Bounds(100, 100, 5, DAY), Duration.ofMillis(300));
        Socket slow = dial(engine, HOST);
        slow.setSoTimeout(50); // a byte now and then
        int sent = 0;
        boolean isOpen = true;
        while (isOpen && sent < RequestHeader.BYTES - 1) {
            try {
                slow.getOutputStream().write(1);
                sent++;
                isOpen = slow.getInputStream().read() >= 0;
            } catch (SocketTimeoutException stillOpen) {
                // the next byte
            } catch (IOException reset) {
                isOpen = false;
            }
        }
        assertThat(isOpen).isFalse();
        assertThat(sent).isLessThan(RequestHeader.BYTES - 1);
    }

    private TransferEngine engine(Bounds bounds, Duration silence) {
        TransferConfig config = TransferConfig.of(HOST);
        TransferEngine engine = TransferEngine.start(new TransferConfig(
                        HOST,
                        0,
                        config.flow(),
                        true,
                        new TransferConfig.Timeouts(config.timeouts().connect(), silence))
                .with(bounds));
        opened.push(engine);
        engine.register(memory);
        return engine;
    }

    private Socket dial(TransferEngine engine, String from) throws IOException {
        var socket = new Socket();
        opened.push(socket);
        socket.bind(new InetSocketAddress(InetAddress.ofLiteral(from), 0));
        socket.connect(new InetSocketAddress(
                HOST, engine.describe(engine.segmentName()).tcp().dataPort()));
        socket.setTcpNoDelay(true);
        return socket;
    }

    /** Reads one byte; false when it is refused, or the connection closed. */
    private static boolean isServed(Socket socket, long address) {
        try {
            socket.getOutputStream().write(header(Opcode.READ_V2, address, 1));
            byte[] answer = socket.getInputStream().readNBytes(9);
            return answer.length == 9;
        } catch (IOException reset) {
            return false;
        }
    }

    private static byte[] header(Opcode opcode, long address, long size) {
        ByteBuffer header = ByteBuffer.allocate(RequestHeader.BYTES);
        RequestHeader.encode(header, 0, size, address, opcode);
        return header.array();
    }

    private static long count(TransferEngine engine, TransferCounter counter) {
        return engine.counters().value(counter);
    }

    /** A region whose only lease is over. */
    private static final class LentOnce implements Region {
        @Override
        public long address() {
            return 0x4000_0000_0000L;
        }

        @Override
        public long length() {
            return 4096;
        }

        @Override
        public Access open(long address, long length, Operation operation, String party) {
            throw new TransferException(TransferException.Kind.REJECTED, "over");
        }

        @Override
        public boolean wasOpen(long address, long length) {
            return true;
        }
    }
}
