package dev.tandem.node.flags;

import dev.tandem.api.access.ApiKeyRules;
import dev.tandem.api.access.ApiKeys;
import dev.tandem.api.access.ServerAccess;
import dev.tandem.api.access.ServerTls;
import dev.tandem.api.access.ServerTls.ClientCertificates;
import dev.tandem.api.access.TlsFiles;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/** The flags that say who may call a server, alike for {@code serve} and {@code proxy}: keys and certificates. No file is read here. */
public final class AccessFlags {
    private static final int MAX_PORT = 65_535;

    private AccessFlags() {}

    /** Reads {@code --api-key}, {@code --api-key-file}, {@code --open-paths} and the {@code --ssl-} flags. */
    public static ServerAccess read(FlagArguments line) {
        return new ServerAccess(keys(line), tls(line));
    }

    /** The port of {@code --metrics-port}, which must not be the one of everything else. */
    public static OptionalInt metricsPort(FlagArguments line, int port) {
        Optional<Long> given = line.whole("metrics-port", 0, MAX_PORT);
        if (given.isPresent() && given.get() == port && port != 0) {
            line.problem("--metrics-port " + port + " is the port of --port too; give it one of its own");
        }
        return given.map(value -> OptionalInt.of(value.intValue())).orElse(OptionalInt.empty());
    }

    /** What may have been meant otherwise. */
    public static List<String> notes(FlagArguments line) {
        boolean asksNobody = line.has("ssl-certfile")
                && line.has("ssl-ca-certs")
                && line.text("ssl-cert-reqs").orElse("0").equals("0");
        return asksNobody
                ? List.of("--ssl-ca-certs: clients are asked for no certificate, because --ssl-cert-reqs is 0")
                : List.of();
    }

    private static ApiKeyRules keys(FlagArguments line) {
        List<String> keys = line.texts("api-key");
        keys.forEach(key -> requireSendable("--api-key", key, line));
        if (keys.size() > ApiKeys.MAX_KEYS) {
            line.problem("--api-key has " + keys.size() + " keys; at most " + ApiKeys.MAX_KEYS + " are taken");
        }
        List<String> open = line.has("open-paths") ? line.texts("open-paths") : ApiKeyRules.USUALLY_OPEN;
        open.stream()
                .filter(path -> !path.startsWith("/"))
                .forEach(path -> line.problem("--open-paths: " + path + " must begin with a slash"));
        return new ApiKeyRules(keys, line.text("api-key-file").map(Path::of), open);
    }

    /** Reports a key that no header could carry. */
    public static void requireSendable(String setting, String key, FlagArguments line) {
        if (!ApiKeys.isSendable(key)) {
            line.problem(setting + " has a key that is empty or has other than visible ASCII characters");
        }
    }

    private static Optional<ServerTls> tls(FlagArguments line) {
        TlsFiles files = files(line, "ssl");
        int asked = line.whole("ssl-cert-reqs", 0, 2, 0);
        if (files.certificate().isEmpty() && asked > 0) {
            line.problem("--ssl-cert-reqs " + asked + " needs --ssl-certfile: without it there is no TLS");
        }
        if (files.authorities().isEmpty() && asked > 0) {
            line.problem("--ssl-cert-reqs " + asked + " needs --ssl-ca-certs: whose certificates clients must have");
        }
        ClientCertificates clients = switch (asked) {
            case 2 -> ClientCertificates.REQUIRED;
            case 1 -> ClientCertificates.OPTIONAL;
            default -> ClientCertificates.NOT_ASKED;
        };
        return files.certificate().map(own -> new ServerTls(files, clients));
    }

    /**
     * Files of certificates.
     *
     * @param prefix {@code ssl} or {@code node-ssl}: what is in front of {@code -keyfile}, {@code -certfile} and {@code -ca-certs}
     */
    public static TlsFiles files(FlagArguments line, String prefix) {
        var files = new TlsFiles(
                line.text(prefix + "-keyfile").map(Path::of),
                line.text(prefix + "-certfile").map(Path::of),
                line.text(prefix + "-ca-certs").map(Path::of));
        if (files.key().isPresent() && files.certificate().isEmpty()) {
            line.problem("--" + prefix + "-keyfile needs --" + prefix
                    + "-certfile: the certificate that the key belongs to");
        }
        return files;
    }
}
