package dev.tandem.preflight.network;

import dev.tandem.preflight.Finding;
import dev.tandem.preflight.Finding.Severity;
import dev.tandem.preflight.host.ParallelCalls;
import dev.tandem.preflight.machine.Bytes;
import dev.tandem.preflight.machine.Thresholds;
import dev.tandem.preflight.network.NetworkHost.Offer;
import dev.tandem.transfer.SpanBatch;
import dev.tandem.transfer.Transfer;
import dev.tandem.transfer.TransferEngine;
import dev.tandem.transfer.TransferException;
import dev.tandem.transfer.wire.SegmentDescriptor.Buffer;
import dev.tandem.trust.ClusterSecret;
import java.io.DataInputStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletionException;

/** Measures from one node to a peer. The caller's thread waits; connections are tried on a bounded number of threads. */
public final class NetworkProbe {
    private static final int CONNECT_LIMIT_MS = 3_000;
    private static final int CONNECTS_AT_ONCE = 32;
    private static final int ROUND_TRIPS = 50;
    private static final long MAX_BYTES = 256L << 20;
    private static final Duration MAX_MEASURING = Duration.ofSeconds(1);
    private static final Duration BATCH_LIMIT = Duration.ofSeconds(20);
    private static final String FIREWALL =
            "look at firewall and routes between the two (systemctl is-active firewalld; ping does not tell of ports)";

    private final InetAddress own;
    private final TransferEngine engine;
    private final ClusterSecret secret;

    /** @param host this node's, whose address and engine are used */
    public NetworkProbe(NetworkHost host) throws IOException {
        this.own = InetAddress.getByName(host.offer().host());
        this.engine = host.engine();
        this.secret = host.secret();
    }

    /** Whether the peer's ports answer, and with the peer's token. */
    public List<Finding> ports(Offer peer) throws InterruptedException {
        String subject = "ports of " + peer.host();
        if (peer.ports().isEmpty()) {
            return List.of();
        }
        SortedMap<Integer, String> silent = new TreeMap<>();
        var attempts = new ArrayList<Callable<String>>();
        peer.ports().forEach(port -> attempts.add(() -> connect(peer, port)));
        List<String> failures = ParallelCalls.run("check-connect", CONNECTS_AT_ONCE, attempts);
        for (int i = 0; i < failures.size(); i++) {
            if (!failures.get(i).isEmpty()) {
                silent.put(peer.ports().get(i), failures.get(i));
            }
        }
        if (silent.isEmpty()) {
            return List.of(Finding.of(
                    Severity.WELL,
                    subject,
                    "all " + peer.ports().size() + " answer: " + PortRanges.text(peer.ports())));
        }
        return List.of(new Finding(
                Severity.ERROR,
                subject,
                silent.size() + " of " + peer.ports().size() + " do not answer: " + PortRanges.text(silent.keySet())
                        + " (" + silent.get(silent.firstKey()) + ")",
                FIREWALL));
    }

    /** Why the port does not answer with the peer's token; empty when it does. */
    private String connect(Offer peer, int port) {
        try (Socket socket = open(peer.host(), port)) {
            byte[] token = socket.getInputStream().readNBytes(PortListeners.TOKEN_BYTES);
            boolean isPeer = token.length == PortListeners.TOKEN_BYTES
                    && ByteBuffer.wrap(token).getLong() == peer.token();
            return isPeer ? "" : "something else than the peer's check answers";
        } catch (IOException e) {
            return String.valueOf(e.getMessage());
        }
    }

    private Socket open(String host, int port) throws IOException {
        var socket = new Socket();
        try {
            socket.bind(new InetSocketAddress(own, 0));
            socket.connect(new InetSocketAddress(host, port), CONNECT_LIMIT_MS);
            socket.setSoTimeout(CONNECT_LIMIT_MS);
            socket.setTcpNoDelay(true);
            return socket;
        } catch (IOException e) {
            socket.close();
            throw e;
        }
    }

    /** Round trip of a byte and the difference of clocks, taken at the shortest of {@value #ROUND_TRIPS} round trips. */
    public List<Finding> clock(Offer peer) {
        long shortestNs = Long.MAX_VALUE;
        double skewMs = 0;
        try (Socket socket = open(peer.host(), peer.clockPort())) {
            ClockProof.call(socket, secret);
            var in = new DataInputStream(socket.getInputStream());
            for (int i = 0; i < ROUND_TRIPS; i++) {
                long wall = ClockServer.nowMicros();
                long startNs = System.nanoTime();
                socket.getOutputStream().write(0);
                long theirs = in.readLong();
                long tookNs = System.nanoTime() - startNs;
                if (tookNs < shortestNs) {
                    shortestNs = tookNs;
                    skewMs = (theirs - wall - tookNs / 2e3) / 1e3;
                }
            }
        } catch (IOException e) {
            return List.of(new Finding(
                    Severity.ERROR,
                    "round trip to " + peer.host(),
                    "no answer at port " + peer.clockPort() + ": " + e.getMessage(),
                    "nodes talk over any free port too, besides the deployment's: " + FIREWALL));
        }
        return List.of(roundTrip(peer, shortestNs / 1e6), skew(peer, skewMs));
    }

    private static Finding roundTrip(Offer peer, double milliseconds) {
        String found = String.format(Locale.ROOT, "%.3f ms", milliseconds);
        boolean isLong = milliseconds > Thresholds.LONGEST_ROUND_TRIP_MS;
        return new Finding(
                isLong ? Severity.WARNING : Severity.WELL,
                "round trip to " + peer.host(),
                found,
                isLong ? "more than " + Thresholds.LONGEST_ROUND_TRIP_MS + " ms: are both in one network?" : "");
    }

    private static Finding skew(Offer peer, double milliseconds) {
        boolean isLarge = Math.abs(milliseconds) > Thresholds.LARGEST_CLOCK_SKEW_MS;
        return new Finding(
                isLarge ? Severity.WARNING : Severity.WELL,
                "clock of " + peer.host(),
                String.format(Locale.ROOT, "%+.1f ms", milliseconds),
                isLarge
                        ? "logs cannot be read side by side: chronyc tracking, timedatectl set-ntp true; leases do not depend on it"
                        : "");
    }

    /** Reads from the peer's memory with the transfer engine, as KV is read: for at most 256 MiB and one second. */
    public Finding bandwidth(Offer peer) {
        String subject = "reading from " + peer.host();
        try (Arena arena = Arena.ofShared()) {
            List<Buffer> buffers = engine.describe(peer.segment()).buffers();
            if (buffers.isEmpty() || buffers.getFirst().length() != NetworkHost.TARGET_BYTES) {
                return new Finding(
                        Severity.ERROR,
                        subject,
                        "its memory is not offered: " + buffers,
                        "run the same version everywhere");
            }
            MemorySegment memory = arena.allocate(NetworkHost.TARGET_BYTES, 4096);
            var batch = new SpanBatch(memory, new long[] {0, buffers.getFirst().address(), NetworkHost.TARGET_BYTES});
            move(peer, batch); // connects, and is not measured
            return rated(subject, measure(peer, batch));
        } catch (TransferException e) {
            return failed(subject, e);
        } catch (CompletionException e) {
            if (e.getCause() instanceof TransferException cause) {
                return failed(subject, cause);
            }
            throw e;
        }
    }

    /** Measured speed in bytes per second. */
    private double measure(Offer peer, SpanBatch batch) {
        long startNs = System.nanoTime();
        long bytes = 0;
        while (bytes < MAX_BYTES && System.nanoTime() - startNs < MAX_MEASURING.toNanos()) {
            bytes += move(peer, batch);
        }
        return bytes / ((System.nanoTime() - startNs) / 1e9);
    }

    private long move(Offer peer, SpanBatch batch) {
        Transfer transfer = engine.read(peer.segment(), batch, BATCH_LIMIT);
        return transfer.done().join().bytes();
    }

    private static Finding rated(String subject, double bytesPerSecond) {
        boolean isSlow = bytesPerSecond < Thresholds.SLOWEST_LINK;
        return new Finding(
                isSlow ? Severity.WARNING : Severity.WELL,
                subject,
                Bytes.rate(bytesPerSecond),
                isSlow
                        ? "below " + Bytes.rate(Thresholds.SLOWEST_LINK)
                                + " the KV of a long prompt takes seconds: is this the fast interface's address?"
                        : "");
    }

    private static Finding failed(String subject, TransferException failure) {
        return new Finding(
                Severity.ERROR,
                subject,
                failure.kind() + ": " + failure.getMessage(),
                "the transfer engine takes any free port: " + FIREWALL);
    }
}
