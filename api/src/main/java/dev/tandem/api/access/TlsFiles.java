package dev.tandem.api.access;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * Where one side of TLS has what it shows and whom it trusts; all PEM.
 *
 * @param key private key, PKCS#8 or the older forms of RSA and EC, without a password; empty: it stands in the certificate's file
 * @param certificate own certificate, those of its issuers behind it
 * @param authorities certificates whose holders and whose issued certificates are trusted; empty: those of the Java platform
 */
public record TlsFiles(Optional<Path> key, Optional<Path> certificate, Optional<Path> authorities) {
    /** Shows nothing and trusts what the Java platform trusts. */
    public static final TlsFiles NONE = new TlsFiles(Optional.empty(), Optional.empty(), Optional.empty());

    /** The files that were named, without repetition. */
    public List<Path> named() {
        return Stream.of(key, certificate, authorities)
                .flatMap(Optional::stream)
                .distinct()
                .toList();
    }
}
