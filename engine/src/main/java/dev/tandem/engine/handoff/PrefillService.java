package dev.tandem.engine.handoff;

import dev.tandem.engine.handoff.SideChannelMessage.DoneReceiving;
import dev.tandem.engine.handoff.SideChannelMessage.GetMetadata;
import dev.tandem.transfer.TransferException;
import java.util.Optional;

/** Answers decode nodes: where this node's KV lies, and that it was told of a read's end. Side-channel poller only. */
final class PrefillService implements SideChannel.Service {
    private final byte[] metadata;
    private final int port;
    private final HandoffLedger ledger;
    private final HandoffCounters counters;

    PrefillService(PeerMetadata metadata, String host, int port, HandoffLedger ledger, HandoffCounters counters) {
        this.metadata = SideChannelCodec.encodeMetadata(metadata, host, port);
        this.port = port;
        this.ledger = ledger;
        this.counters = counters;
    }

    @Override
    public Optional<byte[]> answer(byte[] payload) {
        SideChannelMessage message;
        try {
            message = SideChannelCodec.decodeRequest(payload);
        } catch (TransferException e) {
            return Optional.empty();
        }
        return Optional.of(
                switch (message) {
                    case GetMetadata get -> served();
                    case DoneReceiving done -> acknowledged(done);
                });
    }

    private byte[] served() {
        counters.increment(HandoffCounter.METADATA_SERVED);
        return metadata;
    }

    /** Also a done message without a lease is acknowledged: the sender shall not ask again. */
    private byte[] acknowledged(DoneReceiving done) {
        ledger.done(done.requestId(), done.expectedAt(port));
        return SideChannelCodec.acknowledgement();
    }
}
