package dev.tandem.api.server;

import dev.tandem.api.EventLoops;
import dev.tandem.api.access.FileWatch;
import dev.tandem.api.access.ServerTls;
import dev.tandem.api.access.TlsMaterial;
import io.vertx.core.http.ClientAuth;
import io.vertx.core.http.HttpServerOptions;
import io.vertx.core.net.ServerSSLOptions;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;

/**
 * The certificates of a server's listeners: those of its start, and new ones when their files change, which connections to come are shown.
 * Whoever speaks plain HTTP to a listener with certificates is cut off. Used by the thread that starts the server and by the one that watches
 * the files.
 */
final class ListenerTls implements AutoCloseable {
    private static final long HANDSHAKE_LIMIT_SECONDS = 10;

    private final Optional<ServerTls> settings;
    private final FileWatch watch;
    /** Filled by the thread that starts the server, read by the one that watches the files. */
    private final List<io.vertx.core.http.HttpServer> listeners = new CopyOnWriteArrayList<>();
    /** Written by whoever reads the files. */
    private volatile Optional<TlsMaterial> material = Optional.empty();

    /** @throws dev.tandem.api.ApiException UNUSABLE_FILE naming the file and what is wrong with it */
    ListenerTls(Optional<ServerTls> settings) {
        this.settings = settings;
        this.watch = FileWatch.start(
                settings.map(secured -> secured.files().named()).orElse(List.of()),
                () -> settings.ifPresent(this::read));
    }

    private void read(ServerTls secured) {
        TlsMaterial read = TlsMaterial.read(secured.files());
        material = Optional.of(read);
        for (io.vertx.core.http.HttpServer listener : listeners) {
            var options = new ServerSSLOptions()
                    .setClientAuth(clientAuth(secured))
                    .setEnabledSecureTransportProtocols(TlsMaterial.PROTOCOLS)
                    .setSslHandshakeTimeout(HANDSHAKE_LIMIT_SECONDS)
                    .setSslHandshakeTimeoutUnit(TimeUnit.SECONDS);
            read.shown().ifPresent(options::setKeyCertOptions);
            read.trust().ifPresent(options::setTrustOptions);
            EventLoops.await(listener.updateSSLOptions(options, true));
        }
    }

    /** The options of a listener, with certificates where there are any. */
    HttpServerOptions secure(HttpServerOptions options) {
        Optional<TlsMaterial> known = material;
        if (settings.isEmpty() || known.isEmpty()) {
            return options;
        }
        known.get().shown().ifPresent(options::setKeyCertOptions);
        known.get().trust().ifPresent(options::setTrustOptions);
        return options.setSsl(true)
                .setClientAuth(clientAuth(settings.get()))
                .setEnabledSecureTransportProtocols(TlsMaterial.PROTOCOLS)
                .setSslHandshakeTimeout(HANDSHAKE_LIMIT_SECONDS)
                .setSslHandshakeTimeoutUnit(TimeUnit.SECONDS);
    }

    /** These listen now; they are shown new certificates when the files change. */
    void listening(List<io.vertx.core.http.HttpServer> started) {
        listeners.addAll(started);
    }

    private static ClientAuth clientAuth(ServerTls secured) {
        return switch (secured.clients()) {
            case NOT_ASKED -> ClientAuth.NONE;
            case OPTIONAL -> ClientAuth.REQUEST;
            case REQUIRED -> ClientAuth.REQUIRED;
        };
    }

    @Override
    public void close() {
        watch.close();
    }
}
