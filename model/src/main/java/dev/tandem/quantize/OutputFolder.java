package dev.tandem.quantize;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;

/**
 * A folder that appears complete or not at all: written beside its place under another name, then renamed. Owned by the quantiser; closing
 * it without {@link #complete} removes what was written.
 */
final class OutputFolder implements AutoCloseable {
    private final Path out;
    private final Path partial;
    private boolean isComplete;

    private OutputFolder(Path out, Path partial) {
        this.out = out;
        this.partial = partial;
    }

    /**
     * Takes the place of a new folder.
     *
     * @param neededBytes how much will be written, refused when the disk does not have it
     * @throws FileAlreadyExistsException when something of that name is there
     */
    static OutputFolder create(Path out, long neededBytes) throws IOException {
        Path place = out.toAbsolutePath().normalize();
        requireFree(place);
        Path parent = place.getParent();
        if (parent == null || !Files.isDirectory(parent)) {
            throw new NoSuchFileException(out + ": the folder that is to hold it does not exist");
        }
        long usable = Files.getFileStore(parent).getUsableSpace();
        if (usable < neededBytes) {
            throw new IOException(out + ": " + neededBytes + " bytes are needed and " + usable + " are free");
        }
        Path partial =
                parent.resolve(partialPrefix(place) + ProcessHandle.current().pid());
        Files.createDirectory(partial);
        return new OutputFolder(place, partial);
    }

    private static void requireFree(Path place) throws FileAlreadyExistsException {
        if (Files.exists(place)) {
            throw new FileAlreadyExistsException(place + " exists already; nothing was written");
        }
    }

    private static String partialPrefix(Path place) {
        return "." + place.getFileName() + ".partial-";
    }

    /** Folders of earlier runs for the same place that were killed; their owner may remove them. */
    static List<Path> leftBehind(Path out) throws IOException {
        Path place = out.toAbsolutePath().normalize();
        List<Path> found = new ArrayList<>();
        Path parent = place.getParent();
        if (parent == null || !Files.isDirectory(parent)) {
            return found;
        }
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(parent)) {
            for (Path entry : entries) {
                if (entry.getFileName().toString().startsWith(partialPrefix(place))) {
                    found.add(entry);
                }
            }
        }
        return found;
    }

    void write(String file, String text) throws IOException {
        try (FileChannel channel = open(file)) {
            writeFully(channel, 0, ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8)));
            channel.force(true);
        }
    }

    void copy(Path file) throws IOException {
        Files.copy(file, partial.resolve(file.getFileName()));
    }

    /** A new file in the folder. */
    FileChannel open(String file) throws IOException {
        return FileChannel.open(partial.resolve(file), StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
    }

    static void writeFully(FileChannel channel, long offset, ByteBuffer bytes) throws IOException {
        long at = offset;
        while (bytes.hasRemaining()) {
            at += channel.write(bytes, at);
        }
    }

    /** Gives the folder its name. */
    void complete() throws IOException {
        requireFree(out);
        Files.move(partial, out, StandardCopyOption.ATOMIC_MOVE);
        isComplete = true;
    }

    @Override
    public void close() {
        if (isComplete) {
            return;
        }
        try (DirectoryStream<Path> files = Files.newDirectoryStream(partial)) {
            for (Path file : files) {
                Files.delete(file);
            }
            Files.delete(partial);
        } catch (IOException e) {
            throw new UncheckedIOException(partial + " could not be removed", e);
        }
    }
}
