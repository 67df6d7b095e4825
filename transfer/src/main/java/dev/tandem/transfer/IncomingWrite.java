package dev.tandem.transfer;

import dev.tandem.transfer.wire.Opcode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.ScatteringByteChannel;
import java.util.List;
import java.util.zip.CRC32C;

/** The body of a peer's write while it arrives: where the next byte goes, and the checksum so far. Owned by the poller. */
final class IncomingWrite {
    // Linux takes 1024 buffers per call.
    private static final int MAX_SCATTERED = 1024;

    private final Opcode opcode;
    private final Region.Access access;
    private final long payloadBytes;
    private final ByteBuffer[] targets; // memory, then the trailer if there is one, then room for the input
    private final ByteBuffer trailer =
            ByteBuffer.allocate(Opcode.CHECKSUM_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    private final CRC32C sum = new CRC32C();
    private int current;
    private long missingBytes;

    private IncomingWrite(Opcode opcode, Region.Access access, long payloadBytes, List<ByteBuffer> memory) {
        this.opcode = opcode;
        this.access = access;
        this.payloadBytes = payloadBytes;
        int trailers = opcode.hasChecksum() ? 1 : 0;
        this.targets = memory.toArray(new ByteBuffer[memory.size() + trailers + 1]);
        if (opcode.hasChecksum()) {
            targets[memory.size()] = trailer;
        }
        this.missingBytes = payloadBytes + (long) trailers * Opcode.CHECKSUM_BYTES;
    }

    static IncomingWrite of(Opcode opcode, Region.Access access, long payloadBytes) {
        return new IncomingWrite(opcode, access, payloadBytes, Views.of(access));
    }

    Opcode opcode() {
        return opcode;
    }

    Region.Access access() {
        return access;
    }

    long payloadBytes() {
        return payloadBytes;
    }

    /** Bytes still to come, the trailer with them. */
    long missingBytes() {
        return missingBytes;
    }

    /** Whether the payload is what was summed; true where nothing was. */
    boolean isIntact() {
        return !opcode.hasChecksum() || trailer.getInt(0) == (int) sum.getValue();
    }

    /** Copies what came with the header; gives the bytes taken. */
    int take(ByteBuffer input, int start, int end) {
        int from = start;
        while (from < end && missingBytes > 0) {
            ByteBuffer target = targets[current];
            int n = Math.min(end - from, target.remaining());
            int before = target.position();
            target.put(before, input, from, n).position(before + n);
            from += n;
            arrived(target, before);
        }
        return from - start;
    }

    /** Reads into the memory, and what lies behind the body into {@code input}; gives the bytes read, -1 at the end of the stream. */
    long read(ScatteringByteChannel channel, ByteBuffer input) throws IOException {
        int last = targets.length - 1;
        targets[last] = input;
        int firstBefore = targets[current].position();
        long n = channel.read(targets, current, Math.min(targets.length - current, MAX_SCATTERED));
        if (n > 0) {
            int before = firstBefore;
            while (current < last && targets[current].position() > before) {
                boolean isLastTouched = targets[current].hasRemaining();
                arrived(targets[current], before);
                if (isLastTouched) {
                    break;
                }
                before = 0;
            }
        }
        return n;
    }

    private void arrived(ByteBuffer target, int before) {
        int after = target.position();
        missingBytes -= after - before;
        if (opcode.hasChecksum() && current < targets.length - 2) {
            sum.update(target.duplicate().position(before).limit(after));
        }
        if (!target.hasRemaining()) {
            current++;
        }
    }
}
