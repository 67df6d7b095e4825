package dev.tandem.transfer;

import dev.tandem.counter.Counters;
import dev.tandem.transfer.TransferException.Kind;
import dev.tandem.transfer.tcp.HandshakeClient;
import dev.tandem.transfer.wire.HandshakeFrame;
import dev.tandem.transfer.wire.Introduction;
import dev.tandem.transfer.wire.Notification;
import dev.tandem.transfer.wire.SegmentDescriptor;
import dev.tandem.transfer.wire.SegmentName;
import dev.tandem.transfer.wire.WireException;
import dev.tandem.trust.LogPause;
import dev.tandem.trust.MutualProof;
import dev.tandem.trust.MutualProof.Side;
import dev.tandem.trust.PeerTrust;
import dev.tandem.trust.Wire;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketTimeoutException;
import java.time.Duration;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Both sides of the handshake: answers peers, and asks them for their descriptors. Any thread, mostly virtual ones. */
final class Handshakes {
    private static final Logger LOG = LoggerFactory.getLogger(Handshakes.class);
    private static final DateTimeFormatter TIMESTAMP = DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm:ss.SSSSSS");
    private static final String PROBE_SUCCESS = "{\"status\":\"success\"}\n";
    // What an engine without RDMA answers.
    private static final String NO_CONNECTION = "{\"local_gid\":\"\",\"local_lid\":0,\"local_nic_path\":\"\","
            + "\"payload\":\"\",\"peer_nic_path\":\"\",\"qp_num\":[],\"reply_msg\":\"\"}\n";

    private final Supplier<SegmentDescriptor> own;
    private final Duration deadline;
    private final Counters<TransferCounter> counters;
    private final PeerTrust trust;
    private final LogPause refusals = new LogPause(Duration.ofSeconds(1));

    /**
     * @param own our descriptor as it is now
     * @param deadline to connect, and again for an answer
     * @param trust who is described anything, and who is believed
     */
    Handshakes(
            Supplier<SegmentDescriptor> own, Duration deadline, Counters<TransferCounter> counters, PeerTrust trust) {
        this.own = own;
        this.deadline = deadline;
        this.counters = counters;
        this.trust = trust;
    }

    /** A peer has connected. */
    HandshakeConversation begin(InetSocketAddress peer) {
        return new HandshakeConversation(this, trust, peer);
    }

    /** The answer to a peer that need not prove anything; empty closes the connection without one. */
    Optional<HandshakeFrame> answer(HandshakeFrame request) {
        try {
            String reply = switch (request.type()) {
                case CONNECTION -> NO_CONNECTION;
                case METADATA -> ownJson(Introduction.of(Wire.HANDSHAKE.version()));
                case NOTIFY -> take(Notification.parse(request.json())).toJson();
                case PROBE -> PROBE_SUCCESS;
            };
            counters.increment(TransferCounter.SERVED_HANDSHAKES);
            return Optional.of(request.answer(reply));
        } catch (WireException e) {
            refusals.due()
                    .ifPresent(more ->
                            LOG.info("handshake of type {} refused: {}{}", request.type(), e.getMessage(), more));
            return Optional.empty();
        }
    }

    /**
     * A peer as it has just described itself.
     *
     * @param descriptor what it offers
     * @param dataAddress where its data port is, resolved
     * @param wantsProof whether data connections begin with a proof of the cluster's secret
     */
    record Described(SegmentDescriptor descriptor, InetSocketAddress dataAddress, boolean wantsProof) {}

    /** A peer's descriptor, fresh. */
    Described fetch(String peer) {
        counters.increment(TransferCounter.HANDSHAKES);
        try (HandshakeClient client = HandshakeClient.connect(SegmentName.parse(peer), deadline)) {
            return described(peer, client);
        } catch (SocketTimeoutException e) {
            throw failed(Kind.TIMED_OUT, peer, e);
        } catch (IOException e) {
            throw failed(Kind.PEER_GONE, peer, e);
        } catch (WireException e) {
            throw failed(Kind.CORRUPT, peer, e);
        }
    }

    private Described described(String peer, HandshakeClient client) throws IOException, WireException {
        var proof = new MutualProof(trust.secret(), Wire.HANDSHAKE, Side.CONNECTING);
        Introduction asking = Introduction.of(Wire.HANDSHAKE.version());
        String reply = ask(client, proof.canProve() ? asking.withNonce(proof.nonce()) : asking);
        Introduction told = Introduction.parse(reply);
        requireWelcome(peer, told);
        byte[] nonce = told.nonce();
        boolean wantsProof = SegmentDescriptor.isMissing(reply) && nonce.length > 0;
        if (wantsProof) {
            reply = ask(client, asking.withProof(proof.proof(nonce)));
            told = Introduction.parse(reply);
            requireWelcome(peer, told);
        }
        if (trust.mustProve(client.address())) {
            requireProof(peer, proof, nonce, told);
        }
        SegmentDescriptor descriptor = SegmentDescriptor.parse(reply);
        if (!descriptor.protocols().contains(SegmentDescriptor.TCP)
                || descriptor.tcp().dataPort() == 0) {
            throw new TransferException(
                    Kind.REJECTED, peer + " offers " + descriptor.protocols() + " and no tcp data port");
        }
        var dataAddress = new InetSocketAddress(
                dataHost(peer, client.address(), descriptor), descriptor.tcp().dataPort());
        return new Described(descriptor, dataAddress, wantsProof);
    }

    /**
     * Where the data port is: at the address that has just answered, or at one of the list. Whatever else a peer names could be anybody's
     * service.
     */
    private InetAddress dataHost(String peer, InetAddress answered, SegmentDescriptor descriptor)
            throws IOException, WireException {
        String told = descriptor.tcp().dataHost();
        String host = told.isEmpty() ? SegmentName.parse(descriptor.name()).host() : told;
        if (host.equals(SegmentName.parse(peer).host())) {
            return answered;
        }
        List<InetAddress> named = List.of(InetAddress.getAllByName(host));
        if (named.contains(answered)) {
            return answered;
        }
        return named.stream()
                .filter(trust.foreign()::contains)
                .findFirst()
                .orElseThrow(() -> refusal(peer + " names " + host + " as host of its data port, which is neither "
                        + answered.getHostAddress() + ", where it answers, nor in " + PeerTrust.FOREIGN_PEERS));
    }

    private String ask(HandshakeClient client, Introduction introduction) throws IOException, WireException {
        HandshakeFrame request = HandshakeFrame.of(HandshakeFrame.Type.METADATA, ownJson(introduction));
        return client.ask(request).json();
    }

    /** The peer has proved itself, too. */
    private void requireProof(String peer, MutualProof proof, byte[] nonce, Introduction told) {
        Optional<String> objection = Wire.HANDSHAKE.objection(told.version(), true);
        if (objection.isPresent() || told.proof().length == 0) {
            String versions =
                    told.isTandem() ? objection.map(each -> "; " + each).orElse("") : "";
            throw refusal(PeerTrust.noProof(Wire.HANDSHAKE, peer) + versions);
        }
        if (!proof.accepts(nonce, told.proof())) {
            throw refusal(PeerTrust.wrongProof(Wire.HANDSHAKE, peer));
        }
    }

    private void requireWelcome(String peer, Introduction told) {
        if (!told.refusal().isEmpty()) {
            throw refusal(peer + " refuses this node: " + told.refusal());
        }
    }

    private TransferException refusal(String why) {
        counters.increment(TransferCounter.HANDSHAKES_FAILED);
        return new TransferException(Kind.REJECTED, why);
    }

    /** A peer at our port is not let in. */
    void refuse(String why) {
        counters.increment(TransferCounter.HANDSHAKES_REFUSED);
        refusals.due().ifPresent(more -> LOG.warn("refused: {}{}", why, more));
    }

    /** Our descriptor, with what a Tandem peer is told beside it. */
    String ownJson(Introduction introduction) {
        return own.get().toJson(TIMESTAMP.format(LocalDateTime.now(ZoneId.systemDefault())), introduction);
    }

    /** The peer gets Mooncake's answer, although nothing here waits for what it tells. */
    private Notification take(Notification notification) {
        LOG.debug("notification of a peer: {}", notification);
        counters.increment(TransferCounter.NOTIFICATIONS_DROPPED);
        return Notification.TAKEN;
    }

    private TransferException failed(Kind kind, String peer, Exception cause) {
        counters.increment(TransferCounter.HANDSHAKES_FAILED);
        return new TransferException(kind, "handshake with " + peer + " failed: " + cause.getMessage(), cause);
    }
}
