package dev.tandem.api.access;

/**
 * How a server speaks TLS.
 *
 * @param files its key and certificate; whose clients it knows
 * @param clients whether clients show certificates too
 */
public record ServerTls(TlsFiles files, ClientCertificates clients) {
    /** Whether clients show certificates. */
    public enum ClientCertificates {
        /** They are not asked. */
        NOT_ASKED,
        /** They are asked; one that is shown must be known. */
        OPTIONAL,
        /** Without one that is known nobody is served. */
        REQUIRED
    }
}
