package dev.tandem.engine.handoff.runtime;

import dev.tandem.counter.Counters;
import dev.tandem.engine.handoff.HandoffCounter;
import dev.tandem.engine.handoff.HandoffLimits;
import dev.tandem.engine.handoff.Invitation;
import dev.tandem.engine.handoff.lease.AddressSpace;
import dev.tandem.engine.handoff.lease.LeaseDirectory;
import dev.tandem.engine.handoff.lease.VirtualIds;
import dev.tandem.engine.handoff.sidechannel.PeerMetadataCache;
import dev.tandem.engine.handoff.sidechannel.SideChannel;
import dev.tandem.engine.handoff.sidechannel.ZmtpSideChannel;
import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.kv.KvLayout;
import dev.tandem.transfer.TransferConfig;
import dev.tandem.transfer.TransferEngine;
import dev.tandem.transfer.Transfers;
import dev.tandem.trust.PeerTrust;
import java.io.UncheckedIOException;
import java.security.SecureRandom;
import java.util.HexFormat;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;

/**
 * What the replicas of one process share in prefill/decode exchanges: the transfer engine, the side-channel poller, what is known of
 * peers, the address space that peers see, and the counters. Thread-safe. Started before the first connector and closed after the
 * last.
 */
public final class HandoffRuntime implements AutoCloseable {
    /**
     * What a process has of its machine.
     *
     * @param host address that peers are told
     * @param sideChannelHost what the side channel binds, exactly
     * @param random that nobody can predict, but in a simulation; thread-safe
     * @param sums makes what one connector sums memory with
     */
    public record Machine(String host, String sideChannelHost, RandomGenerator random, Supplier<? extends Sums> sums) {}

    private final Machine machine;
    private final HandoffLimits limits;
    private final Invitation.Messenger messenger;
    private final PeerTrust trust;
    private final Counters<HandoffCounter> counters;
    private final Transfers transfers;
    private final SideChannel channel;
    private final PeerMetadataCache peers;
    private final AddressSpace addressSpace;
    private final AtomicLong nextAddress; // of the pools to come; replicas may start side by side

    /**
     * Brings parts together that run already; they are closed with it.
     *
     * @param trust who may be believed
     * @param messenger carries invitations of layerwise pushes; not closed
     * @param addressSpace what the pools that will be registered leave
     */
    public HandoffRuntime(
            Machine machine,
            PeerTrust trust,
            Invitation.Messenger messenger,
            HandoffLimits limits,
            Counters<HandoffCounter> counters,
            Transfers transfers,
            SideChannel channel,
            AddressSpace addressSpace) {
        this.machine = machine;
        this.trust = trust;
        this.messenger = (invitation, answered) -> messenger.send(invitation.sealedBy(trust.secret()), answered);
        this.limits = limits;
        this.counters = counters;
        this.transfers = transfers;
        this.channel = channel;
        this.peers = new PeerMetadataCache(channel.client(), limits.peers(), counters);
        this.addressSpace = addressSpace;
        this.nextAddress = new AtomicLong(AddressSpace.drawFirstAddress(machine.random()));
    }

    /**
     * Binds the transfer engine and starts the side-channel poller; ports of the side channel are bound by each connector.
     *
     * @param transfer its host is the address that peers are told, its trust counts for the side channel too
     * @param sideChannelHost what the side channel binds, exactly
     * @param messenger carries invitations of layerwise pushes; not closed
     * @param addressSpace what the pools that will be registered leave
     * @throws EngineException UNAVAILABLE naming the host when it cannot
     */
    public static HandoffRuntime start(
            TransferConfig transfer,
            String sideChannelHost,
            Invitation.Messenger messenger,
            AddressSpace addressSpace) {
        String host = transfer.host();
        HandoffLimits limits = HandoffLimits.standard();
        TransferEngine transfers;
        try {
            transfers = TransferEngine.start(transfer.with(TransferConfig.Bounds.of(addressSpace.guessInterval())));
        } catch (UncheckedIOException | IllegalArgumentException e) {
            throw new EngineException(
                    EngineException.Kind.UNAVAILABLE, "no transfer engine on " + host + ": " + e.getMessage(), e);
        }
        var counters = new Counters<>(HandoffCounter.class);
        SideChannel channel;
        try {
            channel = ZmtpSideChannel.start(limits, transfer.trust(), counters);
        } catch (RuntimeException e) {
            transfers.close();
            throw e;
        }
        var machine = new Machine(host, sideChannelHost, new SecureRandom(), SumThread::new);
        return new HandoffRuntime(
                machine, transfer.trust(), messenger, limits, counters, transfers, channel, addressSpace);
    }

    /**
     * A runtime of a process with few small pools, without a secret and on any free ports.
     *
     * @param host announced address; the transfer engine binds exactly it
     * @param bytesPerSecond most KV that leaves for all peers together, to measure with a slower link; 0 for no bound
     */
    public static HandoffRuntime start(
            String host, String sideChannelHost, Invitation.Messenger messenger, long bytesPerSecond) {
        return start(TransferConfig.of(host).withPace(bytesPerSecond), sideChannelHost, messenger, AddressSpace.SMALL);
    }

    /** The same where engines only pull: nobody is invited, and everything is bound to one address. */
    public static HandoffRuntime start(String host) {
        return start(host, host, HandoffRuntime::inviteNobody, 0);
    }

    private static Runnable inviteNobody(Invitation invitation, Consumer<Optional<String>> answered) {
        answered.accept(Optional.of("this process invites nobody"));
        return () -> {};
    }

    /** A name for one life of one replica: what its tickets and its metadata say alike. */
    public String drawIncarnation() {
        return HexFormat.of().toHexDigits(machine.random().nextLong());
    }

    /** The ids that leases of one life of one replica are given. */
    public VirtualIds virtualIds(LeaseDirectory directory) {
        return new VirtualIds(addressSpace.idCount(), machine.random(), directory);
    }

    /** Sums for one connector, which closes them. */
    public Sums sums() {
        return machine.sums().get();
    }

    /** The address that peers are told. */
    public String host() {
        return machine.host();
    }

    /** The address that the side channel binds. */
    public String sideChannelHost() {
        return machine.sideChannelHost();
    }

    /** Counters of the handoffs of this process. */
    public Counters<HandoffCounter> counters() {
        return counters;
    }

    /** A ticket as others may be given it. */
    public HandoffTicket seal(HandoffTicket ticket) {
        return ticket.sealedBy(trust.secret());
    }

    public Invitation.Messenger messenger() {
        return messenger;
    }

    public HandoffLimits limits() {
        return limits;
    }

    /** Moves the bytes of all ranks of this process. */
    public Transfers transfers() {
        return transfers;
    }

    public SideChannel channel() {
        return channel;
    }

    /** Side-channel poller only. */
    public PeerMetadataCache peers() {
        return peers;
    }

    /** The places that leases may have. */
    public AddressSpace addressSpace() {
        return addressSpace;
    }

    /** Where the planes of one more pool may lie: addresses that no other pool has. */
    public long takeAddresses(KvLayout layout) {
        return nextAddress.getAndUpdate(first -> addressSpace.endOf(layout, first));
    }

    /** @throws EngineException INTERNAL when side channel or transfer engine is dead: no event will ever come */
    public void requireAlive() {
        Optional<Throwable> failure = channel.failure();
        if (failure.isPresent()) {
            throw new EngineException(
                    EngineException.Kind.INTERNAL, "the side channel is dead: " + failure.get(), failure.get());
        }
        if (!transfers.isRunning()) {
            throw new EngineException(EngineException.Kind.INTERNAL, "the transfer engine is dead");
        }
    }

    /** Why nothing can be exchanged, as last seen: a thread is dead or hangs; empty while all is well. Any thread, never waits. */
    public Optional<String> trouble() {
        return transfers.isRunning() ? channel.trouble() : Optional.of("the transfer engine is dead");
    }

    /** @throws EngineException UNAVAILABLE when peers could not ask for what is about to be lent, or say that they are done */
    public void requireAnswering() {
        Optional<String> trouble = trouble();
        if (trouble.isPresent()) {
            throw new EngineException(EngineException.Kind.UNAVAILABLE, "no KV is lent: " + trouble.get());
        }
    }

    /** Delivers done messages that wait, for a short while, then closes all sockets. */
    @Override
    public void close() {
        transfers.close();
        channel.close();
    }
}
