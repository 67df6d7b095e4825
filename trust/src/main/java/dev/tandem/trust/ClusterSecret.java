package dev.tandem.trust;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What the processes of a cluster know and nobody else does, or its absence. It never travels: {@link MutualProof} shows over a connection
 * that it is known, a seal shows it on something that passes through other hands. There may be two secrets at a time, one per line: the
 * first one speaks, both are accepted, so that one can be replaced without a stop. A file is read again whenever it has changed.
 * Thread-safe.
 */
public final class ClusterSecret {
    /** Fewest characters of a secret. */
    public static final int MIN_CHARS = 16;

    /** Bytes of a seal and of a proof. */
    public static final int MAC_BYTES = 32;

    private static final Logger LOG = LoggerFactory.getLogger(ClusterSecret.class);
    private static final int MAX_SECRETS = 2;
    private static final int MAX_FILE_BYTES = 4096;
    private static final String ALGORITHM = "HmacSHA256";
    private static final ClusterSecret NONE =
            new ClusterSecret(Optional.empty(), new Loaded(Optional.empty(), List.of()));

    /** What tells one content of the file from another. */
    private record Stamp(@Nullable Object file, long modifiedNs, long bytes) {
        static Stamp of(Path path) throws IOException {
            var attributes = Files.readAttributes(path, BasicFileAttributes.class);
            return new Stamp(
                    attributes.fileKey(),
                    attributes.lastModifiedTime().to(java.util.concurrent.TimeUnit.NANOSECONDS),
                    attributes.size());
        }
    }

    /** Keys as they were when the file looked like this. */
    private record Loaded(Optional<Stamp> stamp, List<SecretKeySpec> keys) {}

    private final Optional<Path> file;
    private final LogPause warnings =
            new LogPause(Duration.ofSeconds(1)); // each connection of a stranger asks for the secret
    private volatile Loaded loaded; // replaced whole by whoever notices that the file has changed

    private ClusterSecret(Optional<Path> file, Loaded loaded) {
        this.file = file;
        this.loaded = loaded;
    }

    /** Processes find each other by address alone. */
    public static ClusterSecret none() {
        return NONE;
    }

    /**
     * @param text a secret, or two on lines of their own
     * @throws IllegalArgumentException naming what is wrong and the limit, never the secret
     */
    public static ClusterSecret of(String text) {
        return new ClusterSecret(Optional.empty(), new Loaded(Optional.empty(), keys(text)));
    }

    /**
     * The secret that a file holds, now and whenever it has changed.
     *
     * @throws IllegalArgumentException when it cannot be read or holds no secret
     */
    public static ClusterSecret inFile(Path file) {
        try {
            return new ClusterSecret(Optional.of(file), load(file));
        } catch (IOException e) {
            throw new IllegalArgumentException("the cluster token's file " + file + " cannot be read: " + e, e);
        }
    }

    public boolean isSet() {
        return !loaded.keys.isEmpty();
    }

    /**
     * A seal on something that will come back through other hands; needs a secret.
     *
     * @param purpose what it is a seal on, so that it does not pass for one on something else
     */
    public byte[] seal(String purpose, byte[] content) {
        return seal(current().getFirst(), purpose, content);
    }

    /** Whether a process that knows the secret has sealed exactly this. */
    public boolean isSealed(String purpose, byte[] content, byte[] seal) {
        boolean isSealed = false;
        for (SecretKeySpec key : current()) {
            isSealed |= MessageDigest.isEqual(seal(key, purpose, content), seal);
        }
        return isSealed;
    }

    /** The first one speaks. */
    List<SecretKeySpec> current() {
        Loaded known = loaded;
        if (file.isEmpty()) {
            return known.keys;
        }
        try {
            if (!Stamp.of(file.get()).equals(known.stamp.orElseThrow())) {
                loaded = load(file.get());
                LOG.info("the cluster token's file {} has changed: {} secrets", file.get(), loaded.keys.size());
            }
        } catch (IOException | IllegalArgumentException e) {
            warnings.due().ifPresent(more -> LOG.warn("the cluster token stays what it was: {}{}", e.toString(), more));
        }
        return loaded.keys;
    }

    static byte[] mac(SecretKeySpec key, byte[]... parts) {
        try {
            Mac mac = Mac.getInstance(ALGORITHM);
            mac.init(key);
            for (byte[] part : parts) {
                mac.update(part);
            }
            return mac.doFinal();
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every Java has " + ALGORITHM, e);
        }
    }

    private static byte[] seal(SecretKeySpec key, String purpose, byte[] content) {
        return mac(key, ("tandem seal\0" + purpose + "\0").getBytes(StandardCharsets.UTF_8), content);
    }

    private static Loaded load(Path file) throws IOException {
        Stamp stamp = Stamp.of(file); // before the content: a change in between is noticed next time
        try {
            return new Loaded(Optional.of(stamp), keys(BoundedFile.text(file, MAX_FILE_BYTES, StandardCharsets.UTF_8)));
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(file + ": " + e.getMessage(), e);
        }
    }

    private static List<SecretKeySpec> keys(String text) {
        var keys = new ArrayList<SecretKeySpec>();
        for (String line : text.lines().map(String::strip).toList()) {
            if (line.isEmpty()) {
                continue;
            }
            if (line.length() < MIN_CHARS) {
                throw new IllegalArgumentException("the cluster token has " + line.length() + " characters, at least "
                        + MIN_CHARS + " are needed");
            }
            keys.add(new SecretKeySpec(line.getBytes(StandardCharsets.UTF_8), ALGORITHM));
        }
        if (keys.isEmpty() || keys.size() > MAX_SECRETS) {
            throw new IllegalArgumentException(
                    "the cluster token has " + keys.size() + " lines, 1 or " + MAX_SECRETS + " are allowed");
        }
        return List.copyOf(keys);
    }

    /** Without the secret: objects are printed. */
    @Override
    public String toString() {
        return "ClusterSecret[" + (isSet() ? file.map(Objects::toString).orElse("set") : "none") + "]";
    }
}
