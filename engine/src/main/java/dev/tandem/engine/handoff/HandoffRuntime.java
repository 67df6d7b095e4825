package dev.tandem.engine.handoff;

import dev.tandem.counter.Counters;
import dev.tandem.engine.handoff.HandoffConfig.Connector;
import dev.tandem.engine.request.EngineException;
import dev.tandem.transfer.TransferEngine;
import java.io.UncheckedIOException;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What the replicas of one process share in prefill/decode exchanges: the transfer engine, the side-channel poller, what is known of
 * peers, the address space that peers see, and the counters. Thread-safe. Started before the first {@link Handoff} and closed after the
 * last.
 */
public final class HandoffRuntime implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(HandoffRuntime.class);

    /** First plane addresses are drawn from here on, so that no two lives of a node share one. */
    private static final long LEAST_ADDRESS = 1L << 44;

    private static final long ADDRESS_SPREAD = 1L << 60;

    /** Pools that a process may register in its life; with the spread their addresses stay below 2^62. */
    static final int MAX_POOLS = 256;

    private static final Duration WARM_UP = Duration.ofMillis(300);
    private static final Duration CLOSE_LIMIT = Duration.ofSeconds(10);

    private final String host;
    private final String sideChannelHost;
    private final HandoffLimits limits;
    private final Invitation.Messenger messenger;
    private final Counters<HandoffCounter> counters = new Counters<>(HandoffCounter.class);
    private final TransferEngine transfers;
    private final SideChannel channel;
    private final PeerMetadataCache book;
    private final long firstAddress;
    private @Nullable Thread warmUp; // set once, before anybody has the hub
    private volatile boolean isClosing; // set once, by the closing thread
    private final AtomicInteger pools = new AtomicInteger(); // replicas may start side by side

    private HandoffRuntime(Setup setup, HandoffLimits limits, TransferEngine transfers) {
        this.host = setup.host();
        this.sideChannelHost = setup.sideChannelHost();
        this.limits = limits;
        this.messenger = setup.messenger();
        this.transfers = transfers;
        this.channel = SideChannel.start(limits, counters);
        this.book = new PeerMetadataCache(channel.questions(), limits.peers());
        RandomGenerator random = new SecureRandom();
        this.firstAddress = LEAST_ADDRESS + random.nextLong(ADDRESS_SPREAD);
    }

    /**
     * What a process brings.
     *
     * @param host announced address; the transfer engine binds exactly it
     * @param sideChannelHost what the side channel binds, exactly
     * @param messenger carries invitations of layerwise pushes; not closed
     * @param bytesPerSecond most KV that leaves for all peers together, to measure with a slower link; 0 for no bound
     */
    public record Setup(String host, String sideChannelHost, Invitation.Messenger messenger, long bytesPerSecond) {
        /** A process whose side channel binds the announced address. */
        public Setup(String host, Invitation.Messenger messenger, long bytesPerSecond) {
            this(host, host, messenger, bytesPerSecond);
        }

        /** A process whose engines pull: nobody is invited. */
        public static Setup of(String host) {
            return new Setup(
                    host, (invitation, answered) -> answered.accept(Optional.of("this process invites nobody")), 0);
        }
    }

    /**
     * Binds the transfer engine and starts the side-channel poller; ports of the side channel are bound by each {@link Handoff}.
     *
     * @param connector that the engines of this process run: its code is warmed up
     * @throws EngineException UNAVAILABLE naming the host when it cannot
     */
    public static HandoffRuntime start(Setup setup, Connector connector) {
        HandoffRuntime hub = startCold(setup, HandoffLimits.standard());
        LOG.info("handoff host={} transfer engine={}", setup.host(), hub.transfers.segmentName());
        hub.warmUp = Thread.ofPlatform().name("handoff-warm-up").daemon().start(() -> hub.warmUp(connector));
        return hub;
    }

    /** The same without warm-up. */
    static HandoffRuntime startCold(Setup setup, HandoffLimits limits) {
        try {
            var transfer = limits.transferConfig(setup.host()).withPace(setup.bytesPerSecond());
            return new HandoffRuntime(setup, limits, TransferEngine.start(transfer));
        } catch (UncheckedIOException | IllegalArgumentException e) {
            throw new EngineException(
                    EngineException.Kind.UNAVAILABLE,
                    "no transfer engine on " + setup.host() + ": " + e.getMessage(),
                    e);
        }
    }

    /** Makes the code of both sides hot while the process loads its model. */
    private void warmUp(Connector connector) {
        long beganNs = System.nanoTime();
        try {
            int exchanges = HandoffWarmUp.run(connector, WARM_UP, () -> isClosing);
            LOG.info("handoff warmed up in {} exchanges, {} ms", exchanges, (System.nanoTime() - beganNs) / 1_000_000);
        } catch (EngineException e) {
            LOG.warn("handoff not warmed up, the first request will be slower: {}", e.getMessage());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt(); // nobody does this
        }
    }

    /** The address that peers are told. */
    public String host() {
        return host;
    }

    /** The address that the side channel binds. */
    String sideChannelHost() {
        return sideChannelHost;
    }

    /** Counters of the handoffs of this process. */
    public Counters<HandoffCounter> counters() {
        return counters;
    }

    Invitation.Messenger messenger() {
        return messenger;
    }

    HandoffLimits limits() {
        return limits;
    }

    /** Moves the bytes of all ranks of this process. */
    public TransferEngine transfers() {
        return transfers;
    }

    SideChannel channel() {
        return channel;
    }

    /** Side-channel poller only. */
    PeerMetadataCache book() {
        return book;
    }

    /** Where the planes of one more pool may lie: {@link LeasedRegion#MAX_POOL_ADDRESSES} addresses that no other pool has. */
    long takeAddresses() {
        int index = pools.getAndIncrement();
        if (index >= MAX_POOLS) {
            throw new IllegalStateException("more than " + MAX_POOLS + " pools in the life of one process");
        }
        return firstAddress + index * LeasedRegion.MAX_POOL_ADDRESSES;
    }

    /** @throws EngineException INTERNAL when side channel or transfer engine is dead: no event will ever come */
    void requireAlive() {
        Optional<Throwable> failure = channel.failure();
        if (failure.isPresent()) {
            throw new EngineException(EngineException.Kind.INTERNAL, "the side channel is dead", failure.get());
        }
        if (!transfers.isRunning()) {
            throw new EngineException(EngineException.Kind.INTERNAL, "the transfer engine is dead");
        }
    }

    /** Delivers done messages that wait, for a short while, then closes all sockets. */
    @Override
    public void close() {
        isClosing = true;
        transfers.close();
        channel.close();
        try {
            Thread begun = warmUp;
            if (begun != null && begun.isAlive() && !begun.join(CLOSE_LIMIT)) {
                LOG.warn("the warm-up of the handoff does not end");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
