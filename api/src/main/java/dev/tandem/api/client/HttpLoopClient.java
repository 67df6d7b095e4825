package dev.tandem.api.client;

import dev.tandem.api.EventLoops;
import dev.tandem.api.access.TlsMaterial;
import io.vertx.core.Vertx;
import io.vertx.core.http.HttpClientAgent;
import io.vertx.core.http.HttpClientOptions;
import io.vertx.core.http.HttpConnection;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.PoolOptions;
import io.vertx.core.http.RequestOptions;
import io.vertx.core.net.ClientSSLOptions;
import io.vertx.core.net.SocketAddress;
import java.net.InetSocketAddress;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The pool of connections of one event loop. Owned by that loop; made and closed by {@link HttpClient}. */
final class HttpLoopClient {
    private static final Logger LOG = LoggerFactory.getLogger(HttpLoopClient.class);
    private static final int MAX_WAITING_CALLS = 65_536;

    private final Vertx vertx;
    private final HttpClientAgent agent;
    private final HttpClientConfig config;
    /** Connections that have carried a request; a connection leaves when it closes. */
    private final Set<HttpConnection> used = ConcurrentHashMap.newKeySet();

    HttpLoopClient(Vertx vertx, HttpClientConfig config, TlsMaterial tls) {
        this.vertx = vertx;
        this.config = config;
        HttpClientOptions options = new HttpClientOptions()
                .setTcpNoDelay(true)
                .setKeepAlive(true)
                .setKeepAliveTimeout(Math.max(1, (int) config.idleKeepAlive().toSeconds()))
                .setConnectTimeout((int) config.connectTimeout().toMillis())
                .setMaxHeaderSize(32 << 10)
                .setPipelining(false)
                .setDecompressionSupported(false)
                .setVerifyHost(true)
                .setEnabledSecureTransportProtocols(TlsMaterial.PROTOCOLS)
                .setSslHandshakeTimeout(config.connectTimeout().toMillis())
                .setSslHandshakeTimeoutUnit(TimeUnit.MILLISECONDS);
        tls.shown().ifPresent(options::setKeyCertOptions);
        tls.trust().ifPresent(options::setTrustOptions);
        PoolOptions pool = new PoolOptions()
                .setHttp1MaxSize(config.maxConnectionsPerServer())
                .setMaxWaitQueueSize(MAX_WAITING_CALLS)
                .setCleanerPeriod(1_000);
        agent = vertx.httpClientBuilder()
                .with(options)
                .with(pool)
                .withConnectHandler(this::watch)
                .build();
    }

    /** Shows and trusts other certificates from now on, on new connections. */
    void update(TlsMaterial tls) {
        var options = new ClientSSLOptions()
                .setHostnameVerificationAlgorithm("HTTPS")
                .setEnabledSecureTransportProtocols(TlsMaterial.PROTOCOLS)
                .setSslHandshakeTimeout(config.connectTimeout().toMillis())
                .setSslHandshakeTimeoutUnit(TimeUnit.MILLISECONDS);
        tls.shown().ifPresent(options::setKeyCertOptions);
        tls.trust().ifPresent(options::setTrustOptions);
        EventLoops.await(agent.updateSSLOptions(options, true));
    }

    HttpClientAgent agent() {
        return agent;
    }

    HttpClientConfig config() {
        return config;
    }

    Vertx vertx() {
        return vertx;
    }

    Set<HttpConnection> usedConnections() {
        return used;
    }

    Upstream start(HttpCall call, InetSocketAddress server, ReplyListener listener) {
        RequestOptions options = new RequestOptions()
                .setMethod(HttpMethod.valueOf(call.method()))
                .setServer(SocketAddress.inetSocketAddress(server))
                .setHost(call.address().hostInUrl())
                .setPort(call.address().port())
                .setSsl(call.address().isSecure())
                .setURI(call.path())
                .setConnectTimeout(config.connectTimeout().toMillis());
        PooledUpstream upstream = new PooledUpstream(this, options, call, listener);
        upstream.begin();
        return upstream;
    }

    private void watch(HttpConnection connection) {
        connection.closeHandler(nothing -> used.remove(connection));
        connection.exceptionHandler(cause -> LOG.debug("connection failed: {}", cause.toString())); // its call tells it
    }
}
