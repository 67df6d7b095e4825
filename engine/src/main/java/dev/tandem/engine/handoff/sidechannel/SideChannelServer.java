package dev.tandem.engine.handoff.sidechannel;

import dev.tandem.counter.Counters;
import dev.tandem.engine.handoff.HandoffCounter;
import dev.tandem.engine.handoff.plan.PeerMetadata;
import dev.tandem.engine.handoff.sidechannel.SideChannelMessage.DoneReceiving;
import dev.tandem.engine.handoff.sidechannel.SideChannelMessage.DoneSending;
import dev.tandem.engine.handoff.sidechannel.SideChannelMessage.FailedSending;
import dev.tandem.engine.handoff.sidechannel.SideChannelMessage.GetMetadata;
import dev.tandem.transfer.TransferException;
import dev.tandem.trust.LogPause;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Answers peers at one rank's port: where that rank's KV lies, and that their reports were heard. Side-channel poller only. */
public final class SideChannelServer implements SideChannel.Service {
    private static final Logger LOG = LoggerFactory.getLogger(SideChannelServer.class);

    /** What a connector does with what peers report; side-channel poller only. */
    @FunctionalInterface
    public interface Reports {
        /**
         * A peer has read or written what it wants, or gives up.
         *
         * @param at the rank whose port got the message
         * @return whether anybody waited for it
         */
        boolean hear(SideChannelMessage.Report report, RankEndpoint at);
    }

    private final byte[] metadata;
    private final RankEndpoint endpoint;
    private final Reports reports;
    private final Counters<HandoffCounter> counters;
    private final SideChannelDialect dialect;
    private final LogPause refusals = new LogPause(Duration.ofSeconds(1));

    public SideChannelServer(
            PeerMetadata metadata,
            RankEndpoint endpoint,
            Reports reports,
            Counters<HandoffCounter> counters,
            SideChannelDialect dialect) {
        this.dialect = dialect;
        this.metadata = dialect.metadata(metadata, endpoint);
        this.endpoint = endpoint;
        this.reports = reports;
        this.counters = counters;
    }

    @Override
    public Optional<byte[]> answer(InetSocketAddress peer, byte[] payload) {
        SideChannelMessage message;
        try {
            message = dialect.read(payload);
        } catch (TransferException e) {
            if (e.kind() == TransferException.Kind.REJECTED) {
                refusals.due()
                        .ifPresent(more -> LOG.warn(
                                "side channel {}:{} refused peer={}: {}{}",
                                endpoint.host(),
                                endpoint.port(),
                                peer,
                                e.getMessage(),
                                more));
            }
            return Optional.empty();
        }
        return Optional.of(
                switch (message) {
                    case GetMetadata get -> served();
                    case DoneReceiving done -> taken(done);
                    case DoneSending done -> answer(reports.hear(done, endpoint));
                    case FailedSending failed -> answer(reports.hear(failed, endpoint));
                });
    }

    private byte[] served() {
        counters.increment(HandoffCounter.METADATA_SERVED);
        return metadata;
    }

    private static byte[] answer(boolean isAwaited) {
        return isAwaited ? SideChannelCodec.acknowledgement() : SideChannelCodec.refusal();
    }

    /** Also a done message without a lease is acknowledged: the sender shall not ask again. */
    private byte[] taken(DoneReceiving done) {
        reports.hear(done, endpoint);
        return dialect.taken();
    }
}
