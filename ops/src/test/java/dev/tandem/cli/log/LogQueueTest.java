package dev.tandem.cli.log;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.spi.LoggingEvent;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.slf4j.LoggerFactory;

class LogQueueTest {
    private static final long LIMIT_MS = 10_000;

    private final Logger logger = new LoggerContext().getLogger("dev.tandem.node.MetaserverCalls");

    @Test
    void shouldGoOnWhenNobodyReadsStandardErrorAndTellWhatIsMissing() throws InterruptedException {
        var pipe = new StuckPipe();
        LogQueue queue = start(pipe);

        int lines = 2 * LogQueue.MAX_LINES;
        for (int i = 0; i < lines; i++) {
            log(queue, "statement " + i % 1_000); // of so many kinds that none is a flood
        }
        pipe.open.countDown();

        assertThat(queue.flush(LIMIT_MS)).isTrue();
        String missing = pipe.awaitLine("lines are missing here");
        assertThat(missing).contains("standard error was not read in time");
        assertThat(pipe.lines()).hasSizeLessThanOrEqualTo(LogQueue.MAX_LINES + 3);
    }

    /** As /dev/full, and as a log file on a disk that somebody makes room on later. */
    @Test
    void shouldGoOnWhenTheDiskIsFullAndTellWhatIsMissing() throws InterruptedException {
        var disk = new StuckPipe();
        disk.open.countDown();
        var refused = new CountDownLatch(4); // lines, and at least one try to tell of them
        var isFull = new AtomicBoolean(true);
        LogQueue queue = start(new OutputStream() {
            @Override
            public void write(int value) throws IOException {
                write(new byte[] {(byte) value}, 0, 1);
            }

            @Override
            public void write(byte[] bytes, int from, int length) throws IOException {
                if (isFull.get()) {
                    refused.countDown();
                    throw new IOException("No space left on device");
                }
                disk.write(bytes, from, length);
            }
        });
        for (int i = 0; i < 3; i++) {
            log(queue, "statement " + i);
        }
        assertThat(refused.await(LIMIT_MS, TimeUnit.MILLISECONDS)).isTrue();
        isFull.set(false);

        String missing = disk.awaitLine("lines are missing here");
        assertThat(missing).containsPattern("[3-9] lines are missing"); // and those that tried to tell
        log(queue, "after");
        disk.awaitLine("after");
    }

    @Test
    void shouldBoundTheBytesThatWait() {
        LogQueue queue = start(new StuckPipe());
        String big = "x".repeat(8 << 10);
        int lines = (int) (LogQueue.MAX_BYTES / big.length());
        for (int i = 0; i < 2 * lines; i++) {
            log(queue, i + big);
        }
        assertThat(queue.waitingBytes()).isLessThanOrEqualTo(LogQueue.MAX_BYTES);
    }

    @Test
    void shouldWriteOneStatementAFewTimesAndCountTheRest() throws InterruptedException {
        var pipe = new StuckPipe();
        pipe.open.countDown();
        LogQueue queue = start(pipe);

        for (int i = 0; i < 1_201; i++) {
            log(queue, "data request refused peer={}", "192.0.2." + i);
        }

        String told = pipe.awaitLine("more lines of MetaserverCalls like: data request refused peer={}");
        assertThat(told).contains(" WARN  Log: ");
        assertThat(pipe.lines().stream().filter(line -> line.contains("refused peer=192.0.2.")))
                .hasSizeBetween(LogFlood.BURST, 1_000);
    }

    @Test
    void shouldNotLetAMessageForgeALine() throws InterruptedException {
        var pipe = new StuckPipe();
        pipe.open.countDown();
        LogQueue queue = start(pipe);
        String forged = "12:00:00.000 INFO  Engine: all is well";

        var event = new LoggingEvent(
                "",
                logger,
                Level.WARN,
                "invitation refused: {}",
                new IllegalStateException("status 500\n" + forged, new IOException("\r" + forged)),
                new Object[] {"\n" + forged + "\u001b[2K"});
        queue.doAppend(event);

        assertThat(queue.flush(LIMIT_MS)).isTrue();
        assertThat(pipe.lines().getFirst()).endsWith("invitation refused: \\n" + forged + "\\u001b[2K");
        assertThat(pipe.lines().stream().skip(1)).isNotEmpty().allMatch(line -> line.startsWith("    "));
        assertThat(pipe.text()).doesNotContain("\u001b", "\r");
    }

    @Test
    void shouldBeTheLogOfTheProcess() {
        var root = (Logger) LoggerFactory.getLogger(org.slf4j.Logger.ROOT_LOGGER_NAME);
        assertThat(root.getAppender("STDERR")).isInstanceOf(LogQueue.class);
    }

    private LogQueue start(OutputStream out) {
        var queue = new LogQueue(out);
        queue.setContext(logger.getLoggerContext());
        queue.start();
        return queue;
    }

    private void log(LogQueue queue, String message, Object... values) {
        queue.doAppend(new LoggingEvent("", logger, Level.INFO, message, null, values));
    }

    /** Standard error as a pipe that takes nothing until it is opened. Guarded by itself. */
    private static final class StuckPipe extends OutputStream {
        private final ByteArrayOutputStream written = new ByteArrayOutputStream();
        private final CountDownLatch open = new CountDownLatch(1);

        @Override
        public void write(int value) {
            write(new byte[] {(byte) value}, 0, 1);
        }

        @Override
        public void write(byte[] bytes, int from, int length) {
            try {
                open.await();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return;
            }
            synchronized (this) {
                written.write(bytes, from, length);
                notifyAll();
            }
        }

        synchronized String text() {
            return written.toString(StandardCharsets.UTF_8);
        }

        List<String> lines() {
            return text().lines().toList();
        }

        synchronized String awaitLine(String part) throws InterruptedException {
            long deadlineNs = System.nanoTime() + LIMIT_MS * 1_000_000;
            while (!text().contains(part)) {
                assertThat(System.nanoTime()).as("no line with " + part).isLessThan(deadlineNs);
                wait(LIMIT_MS);
            }
            return lines().stream()
                    .filter(line -> line.contains(part))
                    .findFirst()
                    .orElseThrow();
        }
    }
}
