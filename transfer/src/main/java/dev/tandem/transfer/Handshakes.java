package dev.tandem.transfer;

import dev.tandem.counter.Counters;
import dev.tandem.transfer.TransferException.Kind;
import dev.tandem.transfer.tcp.HandshakeClient;
import dev.tandem.transfer.wire.HandshakeFrame;
import dev.tandem.transfer.wire.Notification;
import dev.tandem.transfer.wire.SegmentDescriptor;
import dev.tandem.transfer.wire.SegmentName;
import dev.tandem.transfer.wire.WireException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketTimeoutException;
import java.time.Duration;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
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

    /**
     * @param own our descriptor as it is now
     * @param deadline to connect, and again for an answer
     */
    Handshakes(Supplier<SegmentDescriptor> own, Duration deadline, Counters<TransferCounter> counters) {
        this.own = own;
        this.deadline = deadline;
        this.counters = counters;
    }

    /** The answer to a peer; empty closes the connection without one. */
    Optional<HandshakeFrame> answer(HandshakeFrame request) {
        try {
            String reply = switch (request.type()) {
                case CONNECTION -> NO_CONNECTION;
                case METADATA -> ownJson();
                case NOTIFY -> take(Notification.parse(request.json())).toJson();
                case PROBE -> PROBE_SUCCESS;
            };
            counters.increment(TransferCounter.SERVED_HANDSHAKES);
            return Optional.of(request.answer(reply));
        } catch (WireException e) {
            LOG.info("handshake of type {} refused: {}", request.type(), e.getMessage());
            return Optional.empty();
        }
    }

    /**
     * A peer as it has just described itself.
     *
     * @param descriptor what it offers
     * @param dataAddress where its data port is, resolved
     */
    record Described(SegmentDescriptor descriptor, InetSocketAddress dataAddress) {}

    /** A peer's descriptor, fresh. */
    Described fetch(String peer) {
        counters.increment(TransferCounter.HANDSHAKES);
        try {
            HandshakeFrame request = HandshakeFrame.of(HandshakeFrame.Type.METADATA, ownJson());
            HandshakeFrame reply = HandshakeClient.exchange(SegmentName.parse(peer), request, deadline);
            SegmentDescriptor descriptor = SegmentDescriptor.parse(reply.json());
            if (!descriptor.protocols().contains(SegmentDescriptor.TCP)
                    || descriptor.tcp().dataPort() == 0) {
                throw new TransferException(
                        Kind.REJECTED, peer + " offers " + descriptor.protocols() + " and no tcp data port");
            }
            String told = descriptor.tcp().dataHost();
            String host = told.isEmpty() ? SegmentName.parse(descriptor.name()).host() : told;
            InetAddress address = InetAddress.getByName(host);
            return new Described(
                    descriptor, new InetSocketAddress(address, descriptor.tcp().dataPort()));
        } catch (SocketTimeoutException e) {
            throw failed(Kind.TIMED_OUT, peer, e);
        } catch (IOException e) {
            throw failed(Kind.PEER_GONE, peer, e);
        } catch (WireException e) {
            throw failed(Kind.CORRUPT, peer, e);
        }
    }

    private String ownJson() {
        return own.get().toJson(TIMESTAMP.format(LocalDateTime.now(ZoneId.systemDefault())));
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
