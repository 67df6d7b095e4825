package dev.tandem.preflight.network;

import dev.tandem.trust.ClusterSecret;
import java.io.Closeable;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.concurrent.Semaphore;

/**
 * Answers each byte with this machine's clock. A thread accepts, a virtual thread serves each of at most {@value #MAX_CALLERS} callers.
 *
 * {@link ClockProof} comes first where there is a secret.
 *
 * <pre>
 *   caller: | any byte |     server: | microseconds since 1970, 8 bytes |     again, at most 1000 times
 * </pre>
 */
final class ClockServer implements Closeable {
    private static final int MAX_CALLERS = 64;
    private static final int MAX_QUESTIONS = 1_000;
    private static final int SILENCE_MS = 10_000;
    private static final Duration CLOSE_LIMIT = Duration.ofSeconds(5);

    private final ServerSocket server;
    private final ClusterSecret secret;
    private final Semaphore callers = new Semaphore(MAX_CALLERS);
    private final Thread accepting =
            Thread.ofPlatform().daemon().name("check-clock").unstarted(this::accept);

    private ClockServer(ServerSocket server, ClusterSecret secret) {
        this.server = server;
        this.secret = secret;
    }

    static ClockServer open(InetAddress address, ClusterSecret secret) throws IOException {
        var clock = new ClockServer(new ServerSocket(0, MAX_CALLERS, address), secret);
        clock.accepting.start();
        return clock;
    }

    int port() {
        return server.getLocalPort();
    }

    static long nowMicros() {
        return ChronoUnit.MICROS.between(Instant.EPOCH, Instant.now());
    }

    private void accept() {
        while (!server.isClosed()) {
            try {
                Socket caller = server.accept();
                if (callers.tryAcquire()) {
                    Thread.ofVirtual().name("check-clock-caller").start(() -> serve(caller));
                } else {
                    caller.close();
                }
            } catch (IOException e) {
                closeSocket(); // closed by us, or broken: callers then report that nobody answers
            }
        }
    }

    private void serve(Socket caller) {
        try (caller) {
            caller.setSoTimeout(SILENCE_MS);
            caller.setTcpNoDelay(true);
            ClockProof.serve(caller, secret);
            InputStream in = caller.getInputStream();
            var out = new DataOutputStream(caller.getOutputStream());
            for (int i = 0; i < MAX_QUESTIONS && in.read() >= 0; i++) {
                out.writeLong(nowMicros());
            }
        } catch (IOException e) {
            return; // the caller has gone, been silent for too long, or does not know the secret
        } finally {
            callers.release();
        }
    }

    /** Nobody is accepted any more when this returns: an accept that is under way may still take one caller. */
    @Override
    public void close() {
        closeSocket();
        try {
            accepting.join(CLOSE_LIMIT);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void closeSocket() {
        try {
            server.close();
        } catch (IOException e) {
            throw new UncheckedIOException("the clock of the check did not close", e);
        }
    }
}
