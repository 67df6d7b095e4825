package dev.tandem.checkpoint;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * One file in memory, read-only, without a copy.
 *
 * @param path the file
 * @param bytes all its bytes; they live as long as the arena that it was mapped into
 */
record MappedFile(Path path, MemorySegment bytes) {
    /** Maps a regular file, or one behind a symbolic link, as in the Hub's cache. */
    static MappedFile map(Path path, Arena arena) {
        if (!Files.isRegularFile(path)) {
            throw CheckpointException.refuse(
                    path, "file", "a regular file", Files.exists(path) ? "something else" : "nothing");
        }
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            return new MappedFile(path, channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena));
        } catch (IOException e) {
            throw new CheckpointException(path + ": cannot be mapped: " + e.getMessage(), e);
        }
    }

    long size() {
        return bytes.byteSize();
    }
}
