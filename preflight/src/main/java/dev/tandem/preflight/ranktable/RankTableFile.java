package dev.tandem.preflight.ranktable;

import dev.tandem.engine.handoff.ranktable.Device;
import dev.tandem.engine.handoff.ranktable.RankTable;
import dev.tandem.engine.handoff.ranktable.RankTableException;
import dev.tandem.engine.handoff.ranktable.Side;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Optional;
import java.util.UUID;

/**
 * The file that is written: first a part beside it, then a rename, so that a reader finds the old table or the new one and nothing
 * between. One file, one thread.
 *
 * @param path absolute
 * @param isForced whether a file with another table is replaced
 */
public record RankTableFile(Path path, boolean isForced) {
    public RankTableFile {
        path = path.toAbsolutePath().normalize();
    }

    /** A table that has only to be put in its place. */
    public static final class Prepared {
        private final Path path;
        private final Optional<Path> part;

        /** @param part the written file beside it; none when the table was there already */
        private Prepared(Path path, Optional<Path> part) {
            this.path = path;
            this.part = part;
        }

        public boolean isKept() {
            return part.isEmpty();
        }

        /** Puts it in its place. */
        public void commit() throws IOException {
            if (part.isPresent()) {
                Files.move(part.get(), path, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
            }
        }

        /** Leaves everything as it was. */
        public void discard() throws IOException {
            if (part.isPresent()) {
                Files.deleteIfExists(part.get());
            }
        }
    }

    /** Refuses a place where nothing could be written, before anybody is asked anything. */
    public void requireWritable() {
        Path folder = folder();
        if (!Files.isDirectory(folder) || !Files.isWritable(folder)) {
            throw new RankTableException("--output " + path + ": the folder " + folder
                    + (Files.isDirectory(folder) ? " cannot be written" : " does not exist"));
        }
        if (Files.isDirectory(path)) {
            throw new RankTableException("--output " + path + " is a folder");
        }
    }

    private Path folder() {
        Path folder = path.getParent();
        return folder == null ? path : folder;
    }

    /**
     * Writes the table beside its place, or finds that it is there.
     *
     * @throws RankTableException there is a file with another table, and nothing says to replace it; the message tells the first difference
     */
    public Prepared prepare(RankTable table) throws IOException {
        Path place = Files.isSymbolicLink(path) && Files.exists(path) ? path.toRealPath() : path;
        if (Files.exists(place)) {
            Optional<String> difference = difference(place, table);
            if (difference.isEmpty()) {
                return new Prepared(place, Optional.empty());
            }
            if (!isForced) {
                throw new RankTableException(
                        path + " is there already and differs: " + difference.get() + "; --force replaces it");
            }
        }
        Path part = place.resolveSibling("." + place.getFileName() + "." + UUID.randomUUID() + ".part");
        try {
            write(part, table.toJson());
        } catch (IOException e) {
            Files.deleteIfExists(part);
            throw new IOException("--output " + path + " cannot be written: " + e.getMessage(), e);
        }
        return new Prepared(place, Optional.of(part));
    }

    private static void write(Path part, String json) throws IOException {
        try (FileChannel file = FileChannel.open(part, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            ByteBuffer bytes = ByteBuffer.wrap(json.getBytes(StandardCharsets.UTF_8));
            while (bytes.hasRemaining()) {
                file.write(bytes);
            }
            file.force(true);
        }
    }

    /** In what a file differs from a table; empty when it holds the same, however it is laid out. */
    private static Optional<String> difference(Path file, RankTable table) {
        try {
            return difference(RankTable.read(file), table);
        } catch (RankTableException e) {
            return Optional.of("it is not such a table (" + e.getMessage() + ")");
        }
    }

    /** The first field in which a table that is there differs from a new one. */
    static Optional<String> difference(RankTable there, RankTable here) {
        for (Side side : Side.values()) {
            List<Device> old = there.devices(side);
            List<Device> now = here.devices(side);
            for (int index = 0; index < Math.min(old.size(), now.size()); index++) {
                Optional<String> difference =
                        difference(side.key() + "[" + index + "].", old.get(index), now.get(index));
                if (difference.isPresent()) {
                    return difference;
                }
            }
            if (old.size() != now.size()) {
                return Optional.of(side.key() + " has " + old.size() + " devices there, " + now.size() + " now");
            }
        }
        return Optional.empty();
    }

    private static Optional<String> difference(String place, Device old, Device now) {
        if (old.equals(now)) {
            return Optional.empty();
        }
        String field;
        if (!old.serverId().equals(now.serverId())) {
            field = "server_id is " + old.serverId() + " there, " + now.serverId() + " now";
        } else if (old.deviceId() != now.deviceId()) {
            field = "device_id is " + old.deviceId() + " there, " + now.deviceId() + " now";
        } else if (!old.deviceIp().equals(now.deviceIp())) {
            field = "device_ip is " + old.deviceIp() + " there, " + now.deviceIp() + " now";
        } else if (!old.superPod().equals(now.superPod())) {
            field = "super pod and device are " + pod(old) + " there, " + pod(now) + " now";
        } else {
            field = "cluster_id is " + old.clusterId() + " there, " + now.clusterId() + " now";
        }
        return Optional.of(place + field);
    }

    private static String pod(Device device) {
        return device.superPod()
                .map(pod -> pod.superPodId() + " and " + pod.superDeviceId())
                .orElse("none");
    }
}
