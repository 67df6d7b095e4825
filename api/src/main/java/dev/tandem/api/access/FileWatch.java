package dev.tandem.api.access;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reads files again when they change: looks at their times, sizes and identities every second, and reads once two looks in a row have seen
 * the same, so that a pair of files is not read between the two writes. What cannot be used is an ERROR in the log, and what was read before
 * stays. Owned by a virtual thread of its own.
 */
public final class FileWatch implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(FileWatch.class);
    private static final Duration PERIOD = Duration.ofSeconds(1);

    private final List<Path> files;
    private final Runnable read;
    private final Thread thread;
    private String taken;
    private String seen;

    private FileWatch(List<Path> files, Runnable read, String taken) {
        this.files = List.copyOf(files);
        this.read = read;
        this.taken = taken;
        this.seen = taken;
        this.thread = Thread.ofVirtual().name("file watch").unstarted(this::run);
    }

    /**
     * Reads the files once, on this thread, then whenever they change; without files nothing is ever read.
     *
     * @param read takes what the files hold; throws an exception that says why it cannot
     */
    public static FileWatch start(List<Path> files, Runnable read) {
        var watch = new FileWatch(files, read, signature(files));
        if (!files.isEmpty()) {
            read.run();
            watch.thread.start();
        }
        return watch;
    }

    private void run() {
        try {
            while (true) {
                Thread.sleep(PERIOD);
                look();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt(); // closed
        }
    }

    /** Looks once. */
    private void look() {
        String now = signature(files);
        boolean isSettled = now.equals(seen);
        seen = now;
        if (!isSettled || now.equals(taken)) {
            return;
        }
        taken = now;
        try {
            read.run();
            LOG.info("files read again: {}", files);
        } catch (RuntimeException e) { // whatever it is, the next change must be seen
            LOG.error("files changed and cannot be used, what was read before stays: {}", e.getMessage());
        }
    }

    private static String signature(List<Path> files) {
        var parts = new ArrayList<String>();
        for (Path file : files) {
            try {
                BasicFileAttributes now = Files.readAttributes(file, BasicFileAttributes.class);
                parts.add(now.lastModifiedTime() + " " + now.size() + " " + now.fileKey());
            } catch (IOException e) {
                parts.add("unreadable"); // told by whoever reads it
            }
        }
        return parts.toString();
    }

    @Override
    public void close() {
        thread.interrupt();
    }
}
