package dev.tandem.api.access;

import dev.tandem.api.ApiException;
import dev.tandem.trust.BoundedFile;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.net.KeyCertOptions;
import io.vertx.core.net.PemKeyCertOptions;
import io.vertx.core.net.TrustOptions;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509KeyManager;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What one side of TLS shows and whom it trusts, read from {@link TlsFiles} and checked: the key belongs to the certificate, and an expired
 * certificate is told in the log. Immutable.
 */
public final class TlsMaterial {
    /** The versions that are spoken. */
    public static final Set<String> PROTOCOLS = Set.of("TLSv1.2", "TLSv1.3");

    private static final Logger LOG = LoggerFactory.getLogger(TlsMaterial.class);
    private static final int MAX_FILE_BYTES = 4 << 20;
    private static final Pattern CERTIFICATE =
            Pattern.compile("-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\\s]+-----END CERTIFICATE-----");

    private final Optional<KeyManagerFactory> identity;
    private final Optional<TrustManagerFactory> trusted;

    private TlsMaterial(Optional<KeyManagerFactory> identity, Optional<TrustManagerFactory> trusted) {
        this.identity = identity;
        this.trusted = trusted;
    }

    /**
     * Reads the files.
     *
     * @throws ApiException UNUSABLE_FILE naming the file and what is wrong with it
     */
    public static TlsMaterial read(TlsFiles files) {
        return new TlsMaterial(
                files.certificate().map(certificate -> identity(files.key().orElse(certificate), certificate)),
                files.authorities().map(TlsMaterial::trusted));
    }

    /** What is shown to the other side. */
    public Optional<KeyCertOptions> shown() {
        return identity.map(KeyCertOptions::wrap);
    }

    /** Whom the other side must be known to; empty: to the Java platform. */
    public Optional<TrustOptions> trust() {
        return trusted.map(TrustOptions::wrap);
    }

    /** The same for the JDK's own client. */
    public SSLContext context() {
        try {
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(
                    identity.map(KeyManagerFactory::getKeyManagers).orElse(new KeyManager[0]),
                    trusted.isPresent()
                            ? trusted.get().getTrustManagers()
                            : platform().getTrustManagers(),
                    null);
            return context;
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every Java platform has TLS", e);
        }
    }

    private static TrustManagerFactory platform() throws GeneralSecurityException {
        TrustManagerFactory factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        factory.init((KeyStore) null); // the platform's own
        return factory;
    }

    private static KeyManagerFactory identity(Path keyFile, Path certificateFile) {
        List<X509Certificate> chain = certificates("certificate", certificateFile);
        String keyText = text("private key", keyFile);
        if (keyText.contains("ENCRYPTED")) {
            throw unusable("private key", keyFile, "it is encrypted; a key without a password is needed");
        }
        KeyManagerFactory factory;
        try {
            factory = new PemKeyCertOptions()
                    .setKeyValue(Buffer.buffer(keyText))
                    .setCertValue(Buffer.buffer(text("certificate", certificateFile)))
                    .getKeyManagerFactory(null); // asked only for files, and the texts are here
        } catch (Exception e) { // as the method declares it
            throw new ApiException(
                    ApiException.Kind.UNUSABLE_FILE,
                    "private key " + keyFile + ": it is no private key in PEM of RSA or EC: " + e.getMessage(),
                    e);
        }
        requirePair(factory, chain.getFirst(), keyFile, certificateFile);
        warnOfTime(chain.getFirst(), certificateFile);
        return factory;
    }

    private static void requirePair(
            KeyManagerFactory factory, X509Certificate own, Path keyFile, Path certificateFile) {
        PublicKey shown = own.getPublicKey();
        var manager = (X509KeyManager) factory.getKeyManagers()[0];
        String[] aliases = manager.getServerAliases(shown.getAlgorithm(), null);
        boolean isPair = false;
        try {
            if (aliases != null && aliases.length > 0) {
                PrivateKey key = manager.getPrivateKey(aliases[0]);
                String algorithm = shown.getAlgorithm().equals("EC") ? "SHA256withECDSA" : "SHA256withRSA";
                byte[] probe = own.getEncoded();
                Signature signer = Signature.getInstance(algorithm);
                signer.initSign(key);
                signer.update(probe);
                Signature verifier = Signature.getInstance(algorithm);
                verifier.initVerify(shown);
                verifier.update(probe);
                isPair = verifier.verify(signer.sign());
            }
        } catch (GeneralSecurityException e) {
            isPair = false; // a key of another kind
        }
        if (!isPair) {
            throw unusable("private key", keyFile, "it does not belong to the certificate " + certificateFile);
        }
    }

    private static void warnOfTime(X509Certificate own, Path file) {
        Instant now = Instant.now();
        if (now.isAfter(own.getNotAfter().toInstant())) {
            LOG.warn(
                    "certificate {} expired at {}: whoever checks it refuses",
                    file,
                    own.getNotAfter().toInstant());
        } else if (now.isBefore(own.getNotBefore().toInstant())) {
            LOG.warn(
                    "certificate {} is not valid before {}",
                    file,
                    own.getNotBefore().toInstant());
        }
    }

    private static TrustManagerFactory trusted(Path file) {
        try {
            KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
            store.load(null, null);
            for (X509Certificate certificate : certificates("CA file", file)) {
                store.setCertificateEntry("ca-" + store.size(), certificate);
            }
            TrustManagerFactory factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            factory.init(store);
            return factory;
        } catch (GeneralSecurityException | IOException e) {
            throw new ApiException(ApiException.Kind.UNUSABLE_FILE, "CA file " + file + ": " + e.getMessage(), e);
        }
    }

    private static List<X509Certificate> certificates(String what, Path file) {
        var certificates = new ArrayList<X509Certificate>();
        Matcher blocks = CERTIFICATE.matcher(text(what, file));
        try {
            CertificateFactory factory = CertificateFactory.getInstance("X.509");
            while (blocks.find()) {
                byte[] block = blocks.group().getBytes(StandardCharsets.US_ASCII);
                certificates.add((X509Certificate) factory.generateCertificate(new ByteArrayInputStream(block)));
            }
        } catch (GeneralSecurityException e) {
            throw new ApiException(
                    ApiException.Kind.UNUSABLE_FILE,
                    what + " " + file + ": certificate " + (certificates.size() + 1) + " cannot be read: "
                            + e.getMessage(),
                    e);
        }
        if (certificates.isEmpty()) {
            throw unusable(what, file, "it has no certificate in PEM (-----BEGIN CERTIFICATE-----)");
        }
        return certificates;
    }

    private static String text(String what, Path file) {
        try {
            return BoundedFile.text(
                    file, MAX_FILE_BYTES, StandardCharsets.ISO_8859_1); // PEM is ASCII; comments may be anything
        } catch (IOException e) {
            throw ApiException.unusableFile(what, file, e);
        }
    }

    private static ApiException unusable(String what, Path file, String problem) {
        return new ApiException(ApiException.Kind.UNUSABLE_FILE, what + " " + file + ": " + problem);
    }
}
