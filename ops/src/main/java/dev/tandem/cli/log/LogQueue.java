package dev.tandem.cli.log;

import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.UnsynchronizedAppenderBase;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/**
 * The log's way to standard error: whoever logs puts a finished text into a bounded queue and goes on; one thread writes. When standard error
 * is a pipe that nobody reads, lines are left out and counted, and work goes on; once it is read again the log tells how many are missing.
 *
 * <p>Any thread appends. The two atomics are counts that appenders add to and the writer takes from.
 */
public final class LogQueue extends UnsynchronizedAppenderBase<ILoggingEvent> {
    static final int MAX_LINES = 4_096;
    /** Texts that wait together; above it a line is left out as above the number. */
    static final long MAX_BYTES = 4 << 20;

    private static final long TELL_PERIOD_NS = 1_000_000_000L;

    private final LineLayout layout = new LineLayout();
    private final LogFlood flood = new LogFlood();
    private final BlockingQueue<byte[]> lines = new ArrayBlockingQueue<>(MAX_LINES);
    private final AtomicLong waitingBytes = new AtomicLong();
    private final AtomicLong leftOut = new AtomicLong();
    private final OutputStream out;

    /** Made by logback, for standard error; {@link System#err} itself has a lock that a blocked writer would keep. */
    public LogQueue() {
        this(new FileOutputStream(FileDescriptor.err));
    }

    LogQueue(OutputStream out) {
        this.out = out;
    }

    @Override
    public void start() {
        super.start();
        Thread.ofPlatform().daemon().name("log-writer").start(this::write);
    }

    @Override
    protected void append(ILoggingEvent event) {
        if (!flood.admits(event.getLoggerName(), event.getMessage(), System.nanoTime())) {
            return;
        }
        byte[] text = layout.doLayout(event).getBytes(StandardCharsets.UTF_8);
        if (waitingBytes.addAndGet(text.length) > MAX_BYTES || !lines.offer(text)) {
            waitingBytes.addAndGet(-text.length);
            leftOut.incrementAndGet();
        }
    }

    /** Bytes of texts that are not written yet. */
    long waitingBytes() {
        return waitingBytes.get();
    }

    /** Waits until what was logged before is written, for at most this time; false when it is not. */
    public boolean flush(long timeoutMs) throws InterruptedException {
        long deadlineNs = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(timeoutMs);
        while (waitingBytes.get() > 0) {
            if (System.nanoTime() > deadlineNs) {
                return false;
            }
            Thread.sleep(1);
        }
        return true;
    }

    /** The writer's thread, until the process ends. */
    private void write() {
        long toldNs = System.nanoTime();
        while (true) {
            try {
                byte[] text = lines.poll(TELL_PERIOD_NS, TimeUnit.NANOSECONDS);
                if (text != null) {
                    writeTaken(text);
                }
                if (System.nanoTime() - toldNs >= TELL_PERIOD_NS) {
                    tellLeftOut();
                    toldNs = System.nanoTime();
                }
            } catch (IOException | RuntimeException e) {
                // Standard error is closed or its disk is full, or a line could not be made: there is nobody to tell
                // but by the count.
                leftOut.incrementAndGet();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return;
            }
        }
    }

    private void writeTaken(byte[] text) throws IOException {
        try {
            out.write(text);
        } finally {
            waitingBytes.addAndGet(-text.length);
        }
    }

    private void tellLeftOut() throws IOException {
        var text = new StringBuilder();
        long nowMs = System.currentTimeMillis();
        long unwritten = leftOut.getAndSet(0);
        if (unwritten > 0) {
            tell(text, nowMs, unwritten + " lines are missing here: standard error was not read in time");
        }
        for (LogFlood.LeftOut missing : flood.takeLeftOut()) {
            LogFlood.Kind kind = missing.kind();
            String logger = kind.logger().substring(kind.logger().lastIndexOf('.') + 1);
            tell(text, nowMs, missing.lines() + " more lines of " + logger + " like: " + kind.message());
        }
        if (!text.isEmpty()) {
            try {
                out.write(text.toString().getBytes(StandardCharsets.UTF_8));
            } catch (IOException e) {
                leftOut.addAndGet(unwritten); // to be told when there is room again
                throw e;
            }
        }
    }

    private static void tell(StringBuilder text, long nowMs, String message) {
        LineLayout.line(text, nowMs, "WARN", "Log", message);
    }
}
