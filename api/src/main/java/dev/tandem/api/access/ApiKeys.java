package dev.tandem.api.access;

import dev.tandem.api.ApiException;
import dev.tandem.trust.BoundedFile;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The keys that a server knows, as SHA-256 hashes, each with the name of whom it was given to. A file has a line for each:
 *
 * <pre>
 * # comment
 * team-a 2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b
 * </pre>
 *
 * One name may have several keys, so that one can be replaced without a stop. Keys are long and random, so one round of a plain hash is
 * enough: nobody can try them all. Immutable.
 */
public final class ApiKeys {
    /** Most keys of one server: every request is compared with all of them. */
    public static final int MAX_KEYS = 1024;

    private static final int MAX_FILE_BYTES = 1 << 20;
    private static final Pattern NAME = Pattern.compile("[A-Za-z0-9._@-]{1,64}");
    private static final Pattern LINE = Pattern.compile("(" + NAME + ")\\s+([0-9a-fA-F]{64})");
    private static final Pattern SENDABLE = Pattern.compile("[\\x21-\\x7e]+");
    private static final String SCHEME = "Bearer ";

    private final List<String> names;
    private final List<byte[]> hashes;

    private ApiKeys(List<String> names, List<byte[]> hashes) {
        this.names = List.copyOf(names);
        this.hashes = List.copyOf(hashes);
    }

    /** Keys as they are sent; they are called {@code key-1}, {@code key-2} and so on. */
    public static ApiKeys of(List<String> keys) {
        var names = new ArrayList<String>();
        var hashes = new ArrayList<byte[]>();
        for (String key : keys) {
            names.add("key-" + (names.size() + 1));
            hashes.add(sha256(key));
        }
        return new ApiKeys(names, hashes);
    }

    /**
     * Reads a file.
     *
     * @throws ApiException UNUSABLE_FILE naming file and line; also where there is no key in it
     */
    public static ApiKeys read(Path file) {
        var names = new ArrayList<String>();
        var hashes = new ArrayList<byte[]>();
        List<String> lines = text(file).lines().toList();
        for (int i = 0; i < lines.size(); i++) {
            String line = lines.get(i).strip();
            if (line.isEmpty() || line.startsWith("#")) {
                continue;
            }
            Matcher parts = LINE.matcher(line);
            if (!parts.matches()) { // the line itself is not shown: it may hold a key
                throw unusable(
                        file,
                        "line " + (i + 1) + " is not NAME SHA256: a name of at most 64 of A-Z a-z 0-9 . _ @ -,"
                                + " and 64 hexadecimal digits; tandem key NAME prints such a line");
            }
            byte[] hash = HexFormat.of().parseHex(parts.group(2));
            if (hashes.stream().anyMatch(known -> MessageDigest.isEqual(known, hash))) {
                throw unusable(file, "line " + (i + 1) + " has the hash of an earlier line");
            }
            names.add(parts.group(1));
            hashes.add(hash);
        }
        if (names.isEmpty() || names.size() > MAX_KEYS) {
            throw unusable(file, "it has " + names.size() + " keys; 1 to " + MAX_KEYS + " are needed");
        }
        return new ApiKeys(names, hashes);
    }

    private static String text(Path file) {
        try {
            return BoundedFile.text(file, MAX_FILE_BYTES, StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw ApiException.unusableFile("key file", file, e);
        }
    }

    private static ApiException unusable(Path file, String problem) {
        return new ApiException(ApiException.Kind.UNUSABLE_FILE, "key file " + file + ": " + problem);
    }

    /** Whether a key can be sent in a header: visible ASCII, at least one character. */
    public static boolean isSendable(String key) {
        return SENDABLE.matcher(key).matches();
    }

    /** Whether a file may call somebody so. */
    public static boolean isName(String name) {
        return NAME.matcher(name).matches();
    }

    /** The hash of a key as a file has it. */
    public static String hash(String key) {
        return HexFormat.of().formatHex(sha256(key));
    }

    /** These keys and others. */
    ApiKeys and(ApiKeys others) {
        var allNames = new ArrayList<>(names);
        allNames.addAll(others.names);
        var allHashes = new ArrayList<>(hashes);
        allHashes.addAll(others.hashes);
        return new ApiKeys(allNames, allHashes);
    }

    /** The names, in the order of the keys; a name may come more than once. */
    List<String> names() {
        return names;
    }

    /**
     * Whose key a request carries: compares with every hash, each in constant time, so that the time taken tells nothing.
     *
     * @param authorization the header's value; its scheme may be in small letters, as RFC 9110 has it
     */
    Optional<String> nameOf(@Nullable String authorization) {
        if (authorization == null || !authorization.regionMatches(true, 0, SCHEME, 0, SCHEME.length())) {
            return Optional.empty();
        }
        byte[] sent = sha256(authorization.substring(SCHEME.length()).strip());
        int found = -1;
        for (int i = 0; i < hashes.size(); i++) {
            found = MessageDigest.isEqual(hashes.get(i), sent) ? i : found;
        }
        return found < 0 ? Optional.empty() : Optional.of(names.get(found));
    }

    private static byte[] sha256(String key) {
        try {
            return MessageDigest.getInstance("SHA-256").digest(key.getBytes(StandardCharsets.UTF_8));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }
}
