package dev.tandem.kv;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Maps a file whose name is removed at once: pages are committed when they are first written, and nothing is left behind when the process
 * dies, however it dies. {@code /dev/shm} is memory; a temporary directory may be a disk and is the second choice.
 */
final class PoolFile {
    private static final Logger LOG = LoggerFactory.getLogger(PoolFile.class);
    private static final String PREFIX = "tandem-kv-";
    private static final String SUFFIX = ".pool";

    /** Where a pool's file may lie, in the order in which places are tried. */
    enum Place {
        SHARED_MEMORY,
        TEMPORARY_DIRECTORY;

        /** A new empty file, readable by its owner only. */
        private Path createFile() throws IOException {
            return switch (this) {
                case SHARED_MEMORY -> Files.createTempFile(Path.of("/dev/shm"), PREFIX, SUFFIX);
                case TEMPORARY_DIRECTORY -> Files.createTempFile(PREFIX, SUFFIX);
            };
        }
    }

    private PoolFile() {}

    /**
     * Zeroed memory of {@code bytes} bytes, unmapped when the arena closes.
     *
     * @throws KvMemoryException when no place has that much room; the message names each place and its answer
     */
    static MemorySegment map(long bytes, List<Place> places, Arena arena) {
        var refusals = new ArrayList<String>();
        for (Place place : places) {
            try {
                Path file = place.createFile();
                try {
                    long room = Files.getFileStore(file).getUsableSpace();
                    if (room >= bytes) {
                        return mapFile(file, bytes, place, arena);
                    }
                    refusals.add(file.getParent() + " has " + room + " bytes left");
                } finally {
                    Files.deleteIfExists(file);
                }
            } catch (IOException e) {
                refusals.add(place + " refuses: " + e);
            }
        }
        throw new KvMemoryException("a KV pool of " + bytes + " bytes finds no room: " + String.join("; ", refusals));
    }

    private static MemorySegment mapFile(Path file, long bytes, Place place, Arena arena) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            MemorySegment memory = channel.map(FileChannel.MapMode.READ_WRITE, 0, bytes, arena);
            if (place != Place.SHARED_MEMORY) {
                LOG.warn("KV pool lies outside shared memory: directory={} bytes={}", file.getParent(), bytes);
            }
            return memory;
        }
    }
}
