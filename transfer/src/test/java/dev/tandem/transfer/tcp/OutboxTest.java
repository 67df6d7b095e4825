package dev.tandem.transfer.tcp;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.GatheringByteChannel;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class OutboxTest {
    @Test
    void shouldWriteEverythingInOrderThroughANarrowSocket() throws IOException {
        SplittableRandom random = new SplittableRandom(1);
        ByteArrayOutputStream expected = new ByteArrayOutputStream();
        NarrowSocket socket = new NarrowSocket();
        Outbox outbox = new Outbox();
        for (int round = 0; round < 2_000; round++) {
            byte[] bytes = new byte[random.nextInt(40)];
            random.nextBytes(bytes);
            expected.writeBytes(bytes);
            outbox.add(ByteBuffer.wrap(bytes));
            socket.room = random.nextInt(40);
            outbox.writeTo(socket, new Pace(0, 0));
            assertThat(outbox.writtenBytes()).isEqualTo(socket.taken.size());
            assertThat(outbox.waitingBytes()).isEqualTo(expected.size() - socket.taken.size());
        }
        socket.room = Integer.MAX_VALUE;
        outbox.writeTo(socket, new Pace(0, 0));

        assertThat(socket.taken.toByteArray()).isEqualTo(expected.toByteArray());
        assertThat(outbox.isEmpty()).isTrue();
    }

    @Test
    void shouldForgetWhatLiesBehindAPosition() throws IOException {
        Outbox outbox = new Outbox();
        NarrowSocket socket = new NarrowSocket();
        outbox.add(ByteBuffer.wrap(new byte[] {1, 2, 3, 4}));
        outbox.add(ByteBuffer.wrap(new byte[] {5, 6}));
        outbox.add(ByteBuffer.wrap(new byte[] {7}));
        socket.room = 2;
        outbox.writeTo(socket, new Pace(0, 0));

        outbox.truncate(4);
        outbox.add(ByteBuffer.wrap(new byte[] {8}));
        socket.room = 100;
        outbox.writeTo(socket, new Pace(0, 0));

        assertThat(socket.taken.toByteArray()).containsExactly(1, 2, 3, 4, 8);
        assertThat(outbox.queuedBytes()).isEqualTo(5);
    }

    @Test
    void shouldForgetTheRestOfABufferThatHasGoneInPart() throws IOException {
        Outbox outbox = new Outbox();
        NarrowSocket socket = new NarrowSocket();
        outbox.add(ByteBuffer.wrap(new byte[] {1, 2, 3, 4}));
        outbox.add(ByteBuffer.wrap(new byte[] {5, 6}));
        socket.room = 2;
        outbox.writeTo(socket, new Pace(0, 0));

        outbox.truncate(outbox.writtenBytes());

        assertThat(outbox.isEmpty()).isTrue();
        assertThat(outbox.queuedBytes()).isEqualTo(2);
    }

    /** Takes as many bytes as there is room. */
    private static final class NarrowSocket implements GatheringByteChannel {
        private final ByteArrayOutputStream taken = new ByteArrayOutputStream();
        private int room;

        @Override
        public long write(ByteBuffer[] buffers, int offset, int length) {
            long total = 0;
            for (int i = offset; i < offset + length; i++) {
                total += write(buffers[i]);
            }
            return total;
        }

        @Override
        public long write(ByteBuffer[] buffers) {
            return write(buffers, 0, buffers.length);
        }

        @Override
        public int write(ByteBuffer buffer) {
            int n = Math.min(room, buffer.remaining());
            for (int i = 0; i < n; i++) {
                taken.write(buffer.get());
            }
            room -= n;
            return n;
        }

        @Override
        public boolean isOpen() {
            return true;
        }

        @Override
        public void close() {}
    }
}
