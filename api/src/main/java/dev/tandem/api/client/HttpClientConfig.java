package dev.tandem.api.client;

import java.time.Duration;

/**
 * How a client treats the servers it calls.
 *
 * @param connectTimeout how long it may take to connect
 * @param firstByteTimeout how long a server may take to begin its answer: its head, or where that announces events, the first of them
 * @param silenceTimeout how long it may send nothing inside an answer
 * @param idleKeepAlive how long an unused connection is kept; shorter than the 5 s after which uvicorn closes its side
 * @param maxConnectionsPerServer connections to one server; further calls wait for one, within the connect timeout
 * @param maxReplyBytes largest body that is collected in one piece
 */
public record HttpClientConfig(
        Duration connectTimeout,
        Duration firstByteTimeout,
        Duration silenceTimeout,
        Duration idleKeepAlive,
        int maxConnectionsPerServer,
        int maxReplyBytes) {
    /** 2 s, 10 minutes, 10 minutes, 4 s, 4,096 connections, 64 MiB. */
    public static final HttpClientConfig DEFAULT = new HttpClientConfig(
            Duration.ofSeconds(2),
            Duration.ofMinutes(10),
            Duration.ofMinutes(10),
            Duration.ofSeconds(4),
            4096,
            64 << 20);

    /** With other bounds on silence. */
    public HttpClientConfig withSilence(Duration beforeAnswer, Duration insideAnswer) {
        return new HttpClientConfig(
                connectTimeout, beforeAnswer, insideAnswer, idleKeepAlive, maxConnectionsPerServer, maxReplyBytes);
    }
}
