package dev.tandem.gateway.fleet;

import dev.tandem.api.ApiException;
import dev.tandem.api.access.ApiKeys;
import dev.tandem.api.access.FileWatch;
import dev.tandem.trust.BoundedFile;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Optional;

/**
 * What nodes are shown in {@code Authorization}: the gateway's own key where it has one. Without one a client's header is passed on, unless
 * the gateway asks clients for keys itself: those are meant for it alone. Any thread.
 */
public final class NodeKey implements AutoCloseable {
    private static final int MAX_FILE_BYTES = 64 << 10;

    private final boolean passesClients;
    private final FileWatch watch;
    /** Replaced by the thread that watches the file. */
    private volatile Optional<String> own;

    /**
     * The key, or the file that it is read from, now and whenever it changes.
     *
     * @param passesClients whether, without a key, nodes are shown what clients send
     * @throws ApiException UNUSABLE_FILE when the file holds no key
     */
    public NodeKey(Optional<String> key, Optional<Path> file, boolean passesClients) {
        this.passesClients = passesClients;
        this.own = key.map(NodeKey::header);
        this.watch = FileWatch.start(file.stream().toList(), () -> own = file.map(NodeKey::read));
    }

    private static String read(Path file) {
        try {
            String key = BoundedFile.text(file, MAX_FILE_BYTES, StandardCharsets.UTF_8)
                    .strip();
            if (ApiKeys.isSendable(key)) {
                return header(key);
            }
            throw new ApiException(
                    ApiException.Kind.UNUSABLE_FILE,
                    "node key file " + file + ": it must hold one key of visible ASCII characters and nothing else");
        } catch (IOException e) {
            throw ApiException.unusableFile("node key file", file, e);
        }
    }

    private static String header(String key) {
        return "Bearer " + key;
    }

    /** The header for a node, when the gateway asks for itself. */
    public Optional<String> own() {
        return own;
    }

    /** The header for a node, on behalf of a client. */
    public Optional<String> inPlaceOf(Optional<String> client) {
        Optional<String> known = own;
        return known.isPresent() || !passesClients ? known : client;
    }

    @Override
    public void close() {
        watch.close();
    }
}
