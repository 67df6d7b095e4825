package dev.tandem.transfer;

import dev.tandem.corpus.Corpus;
import dev.tandem.transfer.wire.Opcode;
import dev.tandem.transfer.wire.RequestHeader;
import dev.tandem.transfer.wire.StatusFrame;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.channels.ScatteringByteChannel;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

/**
 * Requests on the data port, one behind the other, as a session reads them, without its socket. Byte 0 says how many bytes come at a time.
 * Of an address only the last 16 bits count when byte 20 of its header (padding) is even: the region need not be guessed. A write changes
 * what it names and nothing else; a range outside is refused.
 */
class DataFramesFuzzTest {
    private static final int REGION_BYTES = 1 << 10;
    private static final int GUARD_BYTES = 64;
    private static final int EVEN_OFFSET = 20;
    private static final MemorySegment ALL = Arena.global().allocate(REGION_BYTES + 2 * GUARD_BYTES, 64);
    private static final MemorySegment MEMORY = ALL.asSlice(GUARD_BYTES, REGION_BYTES);
    private static final RegionTable REGIONS = new RegionTable();

    static {
        REGIONS.add(new DirectRegion(MEMORY));
    }

    @Test
    void shouldServeOrRefuseEveryRequest() {
        Corpus.replay("data", DataFramesFuzzTest::fuzzerTestOneInput);
    }

    public static void fuzzerTestOneInput(byte[] input) throws IOException {
        if (input.length < 1 + RequestHeader.BYTES) {
            status(input);
            return;
        }
        ALL.fill((byte) 0x55);
        byte[] expected = MEMORY.toArray(ValueLayout.JAVA_BYTE);
        int piece = 1 + (input[0] & 63);
        ByteBuffer stream = ByteBuffer.wrap(input, 1, input.length - 1).slice();
        while (stream.remaining() >= RequestHeader.BYTES && serve(stream, piece, expected)) {
            Corpus.require(Arrays.equals(expected, MEMORY.toArray(ValueLayout.JAVA_BYTE)), "other bytes were written");
        }
        for (int i = 0; i < GUARD_BYTES; i++) {
            boolean isWhole = ALL.get(ValueLayout.JAVA_BYTE, i) == 0x55
                    && ALL.get(ValueLayout.JAVA_BYTE, ALL.byteSize() - 1 - i) == 0x55;
            Corpus.require(isWhole, "bytes beside the region were written");
        }
    }

    private static void status(byte[] input) {
        if (input.length >= StatusFrame.BYTES && StatusFrame.isFrame(ByteBuffer.wrap(input), 0)) {
            var written = ByteBuffer.allocate(StatusFrame.BYTES);
            StatusFrame.encode(written, 0, StatusFrame.code(ByteBuffer.wrap(input), 0));
            Corpus.require(Arrays.equals(written.array(), Arrays.copyOf(input, StatusFrame.BYTES)), "another status");
        }
    }

    /** One request; whether the session goes on. */
    private static boolean serve(ByteBuffer stream, int piece, byte[] expected) throws IOException {
        int at = stream.position();
        stream.position(at + RequestHeader.BYTES);
        long size = RequestHeader.size(stream, at);
        long sent = RequestHeader.address(stream, at);
        boolean isNear = (stream.get(at + EVEN_OFFSET) & 1) == 0;
        long address = isNear ? MEMORY.address() + (short) sent : sent;
        Opcode opcode = RequestHeader.opcode(stream, at);
        long offset = address - MEMORY.address();
        boolean isInside = offset >= 0 && offset < REGION_BYTES && size > 0 && size <= REGION_BYTES - offset;
        try (Region.Access access = REGIONS.open(
                address, size, opcode.isWrite() ? Region.Operation.WRITE : Region.Operation.READ, "peer")) {
            Corpus.require(isInside, "a range outside was opened");
            return !opcode.isWrite() || write(stream, piece, expected, IncomingWrite.of(opcode, access, size), offset);
        } catch (TransferException refusal) {
            Corpus.require(!isInside, "a range inside was refused: " + refusal.getMessage());
            return false;
        }
    }

    private static boolean write(ByteBuffer stream, int piece, byte[] expected, IncomingWrite write, long offset)
            throws IOException {
        int before = stream.position();
        ByteBuffer input = ByteBuffer.allocate(RequestHeader.BYTES);
        byte[] first = new byte[Math.min(piece, stream.remaining())];
        stream.get(stream.position(), first);
        int taken = write.take(ByteBuffer.wrap(first), 0, first.length);
        stream.position(before + taken);
        var channel = new PlayedChannel(stream, piece);
        while (write.missingBytes() > 0 && write.read(channel, input) >= 0) {
            Corpus.require(write.missingBytes() >= 0, "more than the body was taken");
        }
        int arrived = stream.position() - before - input.position();
        int payload = (int) Math.min(arrived, write.payloadBytes());
        System.arraycopy(stream.array(), stream.arrayOffset() + before, expected, (int) offset, Math.max(0, payload));
        stream.position(stream.position() - input.position()); // what was read ahead
        if (write.missingBytes() == 0) {
            write.isIntact();
        }
        return write.missingBytes() == 0;
    }

    /** A connection from which the rest of the input comes, in pieces. */
    private record PlayedChannel(ByteBuffer stream, int piece) implements ScatteringByteChannel {
        @Override
        public long read(ByteBuffer[] into, int offset, int length) {
            if (!stream.hasRemaining()) {
                return -1;
            }
            int left = Math.min(piece, stream.remaining());
            long read = 0;
            for (int i = offset; i < offset + length && left > 0; i++) {
                int n = Math.min(left, into[i].remaining());
                into[i].put(stream.slice(stream.position(), n));
                stream.position(stream.position() + n);
                left -= n;
                read += n;
            }
            return read;
        }

        @Override
        public long read(ByteBuffer[] into) {
            return read(into, 0, into.length);
        }

        @Override
        public int read(ByteBuffer into) {
            return (int) read(new ByteBuffer[] {into}, 0, 1);
        }

        @Override
        public boolean isOpen() {
            return true;
        }

        @Override
        public void close() {}
    }
}
