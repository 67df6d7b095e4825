package dev.tandem.api.access;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.math.BigInteger;
import java.net.InetAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PublicKey;
import java.security.Signature;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * An authority that issues certificates while a test runs, so that no private key stands in the tree. A certificate is written as RFC 5280
 * has it, in DER: version 3, serial, ECDSA with SHA-256, issuer, validity, subject, public key, and as extensions whether it is an authority
 * and the hosts that it is for.
 */
public final class TestAuthority {
    private static final AtomicInteger SERIALS = new AtomicInteger();
    private static final DateTimeFormatter TIME =
            DateTimeFormatter.ofPattern("yyyyMMddHHmmss'Z'").withZone(ZoneOffset.UTC);
    private static final int RSA_HEADER_BYTES = 26;

    private final String name;
    private final KeyPair pair = pair("EC", 256);
    private final byte[] certificate;

    /** An authority that has certified itself. */
    public TestAuthority(String name) {
        this.name = name;
        this.certificate = signed(name, pair.getPublic(), true, Instant.now().plus(Duration.ofDays(1)));
    }

    /** Writes its own certificate; returns the file. */
    public Path trust(Path folder) {
        return write(folder.resolve(name + "-ca.pem"), pem("CERTIFICATE", certificate));
    }

    /** A certificate for these hosts, its key beside it, and this authority as the one that is trusted. */
    public TlsFiles issue(Path folder, String holder, String... hosts) {
        return issue(folder, holder, Instant.now().plus(Duration.ofDays(1)), hosts);
    }

    /** The same, up to some time. */
    public TlsFiles issue(Path folder, String holder, Instant end, String... hosts) {
        KeyPair own = pair("EC", 256);
        Path key = write(
                folder.resolve(holder + ".key"),
                pem("PRIVATE KEY", own.getPrivate().getEncoded()));
        return files(folder, holder, own, key, end, hosts);
    }

    /** The same with an RSA key in the form of OpenSSL's older versions, PKCS#1. */
    public TlsFiles issueRsa(Path folder, String holder, String... hosts) {
        KeyPair own = pair("RSA", 2048);
        byte[] pkcs8 = own.getPrivate().getEncoded();
        byte[] inside = Arrays.copyOfRange(pkcs8, RSA_HEADER_BYTES, pkcs8.length);
        Path key = write(folder.resolve(holder + ".key"), pem("RSA PRIVATE KEY", inside));
        return files(folder, holder, own, key, Instant.now().plus(Duration.ofDays(1)), hosts);
    }

    private TlsFiles files(Path folder, String holder, KeyPair own, Path key, Instant end, String... hosts) {
        byte[] issued = signed(holder, own.getPublic(), false, end, hosts);
        Path file = write(folder.resolve(holder + ".pem"), pem("CERTIFICATE", issued));
        return new TlsFiles(Optional.of(key), Optional.of(file), Optional.of(trust(folder)));
    }

    private byte[] signed(String holder, PublicKey key, boolean isAuthority, Instant end, String... hosts) {
        byte[] algorithm = der(0x30, hex("06082a8648ce3d040302"));
        byte[] body = der(
                0x30,
                der(0xa0, hex("020102")),
                der(0x02, BigInteger.valueOf(SERIALS.incrementAndGet()).toByteArray()),
                algorithm,
                person(name),
                der(0x30, time(Instant.now().minus(Duration.ofDays(2))), time(end)),
                person(holder),
                key.getEncoded(),
                der(0xa3, der(0x30, isAuthority ? authority() : names(hosts))));
        try {
            Signature signer = Signature.getInstance("SHA256withECDSA");
            signer.initSign(pair.getPrivate());
            signer.update(body);
            return der(0x30, body, algorithm, der(0x03, new byte[] {0}, signer.sign()));
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException(e);
        }
    }

    private static byte[] person(String name) {
        byte[] text = der(0x0c, name.getBytes(StandardCharsets.UTF_8));
        return der(0x30, der(0x31, der(0x30, hex("0603550403"), text)));
    }

    private static byte[] time(Instant instant) {
        return der(0x18, TIME.format(instant).getBytes(StandardCharsets.US_ASCII));
    }

    private static byte[] authority() {
        return der(0x30, hex("0603551d13"), hex("0101ff"), der(0x04, der(0x30, hex("0101ff"))));
    }

    private static byte[] names(String... hosts) {
        var names = new ByteArrayOutputStream();
        for (String host : hosts) {
            names.writeBytes(
                    host.matches("[0-9.]+")
                            ? der(0x87, InetAddress.ofLiteral(host).getAddress())
                            : der(0x82, host.getBytes(StandardCharsets.US_ASCII)));
        }
        return der(0x30, hex("0603551d11"), der(0x04, der(0x30, names.toByteArray())));
    }

    /** Tag, length, content. */
    private static byte[] der(int tag, byte[]... parts) {
        var content = new ByteArrayOutputStream();
        for (byte[] part : parts) {
            content.writeBytes(part);
        }
        int length = content.size();
        var all = new ByteArrayOutputStream();
        all.write(tag);
        if (length >= 0x100) {
            all.write(0x82);
            all.write(length >> 8);
        } else if (length >= 0x80) {
            all.write(0x81);
        }
        all.write(length);
        all.writeBytes(content.toByteArray());
        return all.toByteArray();
    }

    private static byte[] hex(String digits) {
        return HexFormat.of().parseHex(digits);
    }

    private static KeyPair pair(String algorithm, int bits) {
        try {
            KeyPairGenerator generator = KeyPairGenerator.getInstance(algorithm);
            generator.initialize(bits);
            return generator.generateKeyPair();
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException(e);
        }
    }

    private static String pem(String kind, byte[] content) {
        String text = Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(content);
        return "-----BEGIN " + kind + "-----\n" + text + "\n-----END " + kind + "-----\n";
    }

    private static Path write(Path file, String text) {
        try {
            return Files.writeString(file, text);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
