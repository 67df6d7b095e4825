package dev.tandem.api.access;

import java.util.Optional;

/**
 * Who may call a server, and how.
 *
 * @param keys what requests must carry
 * @param tls how connections are secured; empty: plain HTTP
 */
public record ServerAccess(ApiKeyRules keys, Optional<ServerTls> tls) {
    /** Plain HTTP without keys. */
    public static final ServerAccess OPEN = new ServerAccess(ApiKeyRules.NONE, Optional.empty());

    /** The same connections without keys, as for a port that shows metrics alone. */
    public ServerAccess withoutKeys() {
        return new ServerAccess(ApiKeyRules.NONE, tls);
    }

    /**
     * Reads all files once, so that a wrong one is told before anything else is done.
     *
     * @throws dev.tandem.api.ApiException UNUSABLE_FILE naming the file and what is wrong with it
     */
    public void requireUsableFiles() {
        keys.file().ifPresent(ApiKeys::read);
        tls.ifPresent(secured -> TlsMaterial.read(secured.files()));
    }
}
