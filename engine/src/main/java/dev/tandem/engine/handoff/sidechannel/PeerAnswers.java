package dev.tandem.engine.handoff.sidechannel;

import dev.tandem.counter.Counters;
import dev.tandem.engine.handoff.HandoffCounter;
import dev.tandem.engine.handoff.zmtp.MessageConnection;
import dev.tandem.engine.handoff.zmtp.ZmtpHandler;
import java.util.List;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Answers what comes over one peer's connection to a port. Side-channel poller only. */
public final class PeerAnswers implements ZmtpHandler {
    private static final Logger LOG = LoggerFactory.getLogger(PeerAnswers.class);

    private final MessageConnection connection;
    private final SideChannel.Service service;
    private final Counters<HandoffCounter> counters;

    public PeerAnswers(MessageConnection connection, SideChannel.Service service, Counters<HandoffCounter> counters) {
        this.connection = connection;
        this.service = service;
        this.counters = counters;
    }

    @Override
    public void opened() {
        LOG.trace("side channel peer={} is connected", connection);
    }

    /** A REQ socket waits behind an empty frame, so it gets an answer to whatever it sent; others only to a request. */
    @Override
    public void received(List<byte[]> parts) {
        boolean isFromReq = parts.getFirst().length == 0;
        int payloads = isFromReq ? parts.size() - 1 : parts.size();
        Optional<byte[]> answer =
                payloads == 1 ? service.answer(connection.remote(), parts.getLast()) : Optional.empty();
        if (answer.isEmpty()) {
            counters.increment(HandoffCounter.FRAMES_DROPPED);
        }
        if (answer.isPresent() || isFromReq) {
            connection.send(List.of(new byte[0], answer.orElseGet(SideChannelCodec::refusal)));
        }
    }

    @Override
    public void closed(String reason) {
        LOG.trace("side channel peer={} has gone: {}", connection, reason);
    }
}
