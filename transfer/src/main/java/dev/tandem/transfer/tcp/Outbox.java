package dev.tandem.transfer.tcp;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.GatheringByteChannel;
import java.util.Arrays;

/**
 * Buffers on their way into one socket, written together: many small spans leave in one system call. Positions in the stream are counted
 * from the first byte of the connection, so that an owner knows which of its frames have gone. Owned by the poller.
 */
public final class Outbox {
    // Linux takes 1024 buffers per call.
    private static final int MAX_GATHERED = 1024;

    private ByteBuffer[] buffers = new ByteBuffer[64]; // [head, tail) wait
    private int head;
    private int tail;
    private long queuedBytes;
    private long writtenBytes;

    /** Appends; the buffer's contents must not change until it is written. */
    public void add(ByteBuffer buffer) {
        if (tail == buffers.length) {
            makeRoom();
        }
        buffers[tail++] = buffer;
        queuedBytes += buffer.remaining();
    }

    /** Stream position behind the last byte that was ever added. */
    public long queuedBytes() {
        return queuedBytes;
    }

    /** Stream position behind the last byte that the socket took. */
    public long writtenBytes() {
        return writtenBytes;
    }

    public long waitingBytes() {
        return queuedBytes - writtenBytes;
    }

    public int waitingBuffers() {
        return tail - head;
    }

    public boolean isEmpty() {
        return head == tail;
    }

    /** Writes until all is written, the socket is full or the pace says stop; gives the bytes taken. */
    public long writeTo(GatheringByteChannel channel, Pace pace) throws IOException {
        long total = 0;
        while (head < tail) {
            long allowed = pace.allowance(System.nanoTime());
            if (allowed < 1) {
                break;
            }
            long n = allowed < waitingBytes()
                    ? writePart(channel, allowed)
                    : channel.write(buffers, head, Math.min(tail - head, MAX_GATHERED));
            pace.spend(n);
            total += n;
            writtenBytes += n;
            dropWritten();
            if (n == 0 || (head < tail && buffers[head].position() > 0)) {
                break; // a buffer that went only in part means that the socket is full, or the pace used up
            }
        }
        return total;
    }

    /** Writes at most so many bytes, fewer than wait. */
    private long writePart(GatheringByteChannel channel, long mostBytes) throws IOException {
        int count = 0;
        long bytes = 0;
        while (count < MAX_GATHERED && bytes < mostBytes) {
            bytes += buffers[head + count].remaining();
            count++;
        }
        ByteBuffer last = buffers[head + count - 1];
        int limit = last.limit();
        if (bytes > mostBytes) {
            last.limit(limit - (int) (bytes - mostBytes));
        }
        try {
            return channel.write(buffers, head, count);
        } finally {
            last.limit(limit);
        }
    }

    /**
     * Forgets what was added at and behind a stream position that no written byte lies behind; it must be the start of a buffer, or the
     * written position itself.
     */
    public void truncate(long position) {
        long end = queuedBytes;
        while (head < tail && end > position) {
            ByteBuffer last = buffers[--tail];
            end -= last.remaining();
            buffers[tail] = null;
        }
        queuedBytes = end;
    }

    private void dropWritten() {
        while (head < tail && !buffers[head].hasRemaining()) {
            buffers[head++] = null;
        }
        if (head == tail) {
            head = 0;
            tail = 0;
        }
    }

    private void makeRoom() {
        int waiting = tail - head;
        boolean isCrowded = waiting > buffers.length / 2;
        ByteBuffer[] target = isCrowded ? new ByteBuffer[buffers.length * 2] : buffers;
        System.arraycopy(buffers, head, target, 0, waiting);
        if (!isCrowded) {
            Arrays.fill(buffers, waiting, tail, null);
        }
        buffers = target;
        head = 0;
        tail = waiting;
    }
}
