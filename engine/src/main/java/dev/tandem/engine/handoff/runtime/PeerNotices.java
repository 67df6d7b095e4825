package dev.tandem.engine.handoff.runtime;

import dev.tandem.counter.Counters;
import dev.tandem.engine.handoff.HandoffCounter;
import dev.tandem.engine.handoff.sidechannel.Peer;
import dev.tandem.engine.handoff.sidechannel.SideChannel;
import dev.tandem.engine.handoff.sidechannel.SideChannelCodec;
import dev.tandem.engine.handoff.sidechannel.SideChannelDialect;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.transfer.TransferException;
import java.util.List;
import java.util.OptionalLong;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tells peers of one engine what became of a prompt: P that its blocks are not read any more, D that all was written or that nothing more
 * will be. Side-channel poller only, but for {@link #decline}.
 */
public final class PeerNotices {
    private static final Logger LOG = LoggerFactory.getLogger(PeerNotices.class);

    private final SideChannel channel;
    private final SideChannelDialect dialect;
    private final Counters<HandoffCounter> counters;

    public PeerNotices(SideChannel channel, SideChannelDialect dialect, Counters<HandoffCounter> counters) {
        this.channel = channel;
        this.dialect = dialect;
        this.counters = counters;
    }

    /** Any thread: tells the peer behind a role that nothing comes of it. Where no peer waits, nothing happens. */
    public void decline(String requestId, HandoffRole role, String reason) {
        boolean isPosted = switch (role) {
            case HandoffRole.Fetch fetch -> channel.offer(() -> sendDone(requestId, fetch.ticket()));
            case HandoffRole.Push push -> channel.offer(() -> sendFailed(requestId, push.target(), reason));
            case HandoffRole.None none -> true;
            case HandoffRole.Lend lend -> true;
            case HandoffRole.Receive receive -> true; // whoever is invited will be told by another node
        };
        if (!isPosted) { // the peer's own deadline frees what it holds
            LOG.warn("request={} its peer is not told of the decline: the side channel is behind", requestId);
        }
    }

    /** Tells the prefill engine that nothing of the request is or will be read; one that nobody here knows is not called. */
    public void sendDone(String requestId, HandoffTicket ticket) {
        String transferId = ticket.transferId().orElse(requestId);
        Peer peer;
        try {
            peer = dialect.peer(ticket);
        } catch (TransferException e) {
            undelivered(transferId, e);
            return;
        }
        OptionalLong lease = ticket.incarnation().isPresent() ? OptionalLong.of(leaseId(ticket)) : OptionalLong.empty();
        dialect.done(transferId, peer, lease)
                .forEach((rank, message) -> channel.client()
                        .ask(
                                peer.endpoint(rank),
                                message,
                                answer -> counters.increment(
                                        dialect.isTaken(answer)
                                                ? HandoffCounter.DONE_SENT
                                                : HandoffCounter.DONE_UNDELIVERED),
                                cause -> undelivered(transferId, cause)));
    }

    private void undelivered(String transferId, TransferException cause) {
        counters.increment(HandoffCounter.DONE_UNDELIVERED);
        LOG.warn("request={} done message not delivered: {}", transferId, cause.getMessage());
    }

    /**
     * Tells the decode engine that all of a prompt is written; exactly one of the callbacks is called.
     *
     * @param sums of what was written, by rank of the decode engine
     * @param onAnswer gets whether the decode node waited for it
     */
    public void sendWritten(
            String requestId,
            HandoffTicket target,
            List<Integer> sums,
            Consumer<Boolean> onAnswer,
            Consumer<TransferException> onFailure) {
        channel.client()
                .ask(
                        dialect.peer(target).endpoint(0),
                        SideChannelCodec.encodeDoneSending(
                                target.transferId().orElse(requestId), leaseId(target), sums),
                        answer -> onAnswer.accept(SideChannelCodec.isAcknowledgement(answer)),
                        onFailure);
    }

    /** Tells the decode engine that nothing more of a prompt will be written. */
    public void sendFailed(String requestId, HandoffTicket target, String reason) {
        String transferId = target.transferId().orElse(requestId);
        channel.client()
                .ask(
                        dialect.peer(target).endpoint(0),
                        SideChannelCodec.encodeFailedSending(transferId, leaseId(target), reason),
                        answer -> LOG.debug("request={} the decode node knows of the failure", transferId),
                        cause -> LOG.warn("request={} failure not delivered: {}", transferId, cause.getMessage()));
    }

    /** Names the lease, which is fresh each time, where a request id may come again. */
    private static long leaseId(HandoffTicket target) {
        return target.blockIds().length == 0 ? -1 : target.blockIds()[0];
    }
}
