package dev.tandem.engine.handoff;

import dev.tandem.counter.Counters;
import dev.tandem.engine.handoff.SideChannelMessage.DoneReceiving;
import dev.tandem.engine.handoff.SideChannelMessage.DoneSending;
import dev.tandem.engine.handoff.SideChannelMessage.FailedSending;
import dev.tandem.engine.handoff.SideChannelMessage.GetMetadata;
import dev.tandem.transfer.TransferException;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Answers peers at one rank's port: where that rank's KV lies, and that it was told of the end of a read or a push. Side-channel poller only. */
final class SideChannelServer implements SideChannel.Service {
    private static final Logger LOG = LoggerFactory.getLogger(SideChannelServer.class);

    private final byte[] metadata;
    private final Place place;
    private final LeaseTable ledger;
    private final PushReceiver receiver;
    private final Counters<HandoffCounter> counters;
    private final SideChannelDialect dialect;

    /**
     * Where a rank listens.
     *
     * @param firstPort of rank 0 of the engine
     * @param rank of the engine's {@code ranks}
     */
    record Place(String host, int firstPort, int rank, int ranks) {
        int port() {
            return firstPort + rank;
        }
    }

    /** Whom messages are for. */
    record Books(LeaseTable ledger, PushReceiver receiver) {}

    SideChannelServer(
            PeerMetadata metadata,
            Place place,
            Books books,
            Counters<HandoffCounter> counters,
            SideChannelDialect dialect) {
        this.dialect = dialect;
        this.metadata = dialect.metadata(metadata, place);
        this.place = place;
        this.ledger = books.ledger();
        this.receiver = books.receiver();
        this.counters = counters;
    }

    @Override
    public Optional<byte[]> answer(byte[] payload) {
        SideChannelMessage message;
        try {
            message = dialect.read(payload);
        } catch (TransferException e) {
            if (e.kind() == TransferException.Kind.REJECTED) {
                LOG.warn("side channel {}:{} refused: {}", place.host(), place.port(), e.getMessage());
            }
            return Optional.empty();
        }
        return Optional.of(
                switch (message) {
                    case GetMetadata get -> served();
                    case DoneReceiving done -> acknowledged(done);
                    case DoneSending done -> answer(receiver.done(done.requestId(), done.lease()));
                    case FailedSending failed ->
                        answer(receiver.failed(failed.requestId(), failed.lease(), failed.reason()));
                });
    }

    /** What a message announces for the ports of this engine, by rank. */
    private Map<Integer, Integer> announced(Map<Integer, Integer> sendsByPort) {
        var byRank = new HashMap<Integer, Integer>();
        for (int rank = 0; rank < place.ranks(); rank++) {
            Integer sends = sendsByPort.get(place.firstPort() + rank);
            if (sends != null) {
                byRank.put(rank, sends);
            }
        }
        return byRank;
    }

    private byte[] served() {
        counters.increment(HandoffCounter.METADATA_SERVED);
        return metadata;
    }

    private static byte[] answer(boolean isAwaited) {
        return isAwaited ? SideChannelCodec.acknowledgement() : SideChannelCodec.refusal();
    }

    /** Also a done message without a lease is acknowledged: the sender shall not ask again. */
    private byte[] acknowledged(DoneReceiving done) {
        ledger.done(done.requestId(), place.rank(), announced(done.sendsByPort()));
        return dialect.taken();
    }
}
