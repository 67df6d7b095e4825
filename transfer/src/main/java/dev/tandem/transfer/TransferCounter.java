package dev.tandem.transfer;

import dev.tandem.counter.Counter;

/** What a transfer engine counts, each with what it hints at. */
public enum TransferCounter implements Counter {
    READ_BYTES("Bytes that we read from peers; the decode side of a handoff."),
    WRITTEN_BYTES("Bytes that we wrote into peers."),
    SERVED_READ_BYTES("Bytes that peers read from us; the prefill side of a handoff."),
    SERVED_WRITE_BYTES("Bytes that peers wrote into us."),
    TRANSFERS("Transfers posted here."),
    REQUESTS("Requests sent to peers: spans, long ones cut into several."),
    SERVED_REQUESTS("Requests of peers that were granted."),
    REFUSED_REQUESTS(
            "Requests of peers for addresses that they may not touch: late reads after a lease, or a stale or hostile peer."),
    GUESSED_REQUESTS(
            "Refused requests for addresses that were never lent: a peer with addresses of an earlier life, or a stranger that guesses."),
    BLOCKED_REQUESTS(
            "Requests refused without a look, because their host had asked for too many addresses that were never lent."),
    UNCONFIRMED_TRANSFERS("Writes to peers of protocol v1, which acknowledge nothing: upgrade them."),
    REPEATED_REQUESTS(
            "Requests sent again because a kept connection was closed by the peer: it restarts or limits connections."),
    FAILED_PEER_GONE("Transfers that failed because the peer was not there or went away."),
    FAILED_TIMED_OUT("Transfers that failed at a deadline: a stalled peer, or a network slower than planned."),
    FAILED_REJECTED("Transfers that a peer refused: our ticket is stale, or its lease ran out."),
    FAILED_CORRUPT(
            "Transfers whose bytes or frames were damaged: a broken network card, or a peer of another protocol."),
    FAILED_OVERLOADED("Transfers refused here because too many were posted."),
    FAILED_CANCELLED("Transfers that their caller gave up."),
    CONNECTIONS_OPENED("Data connections that we opened; many per transfer means that the peer does not keep them."),
    CONNECTIONS_ACCEPTED("Data connections that peers opened."),
    CONNECTIONS_REFUSED("Data connections closed at once because too many were open, of that host or at all."),
    CONNECTIONS_DISPLACED(
            "Data connections that nobody used, closed to make room for others; many hint at a limit that is too low, or at a flood."),
    SESSIONS_STALLED("Data connections of peers closed because they owed or refused bytes for too long."),
    SERVED_CHECKSUM_ERRORS("Checksum writes of peers whose payload arrived damaged."),
    HANDSHAKES("Descriptors fetched from peers; many means restarting or unreachable ones."),
    HANDSHAKES_FAILED("Handshakes with peers that failed."),
    SERVED_HANDSHAKES("Handshake messages of peers that were answered."),
    HANDSHAKES_REFUSED(
            "Peers at the handshake port that gave no proof of the cluster's secret: a stranger, or a node without it."),
    SESSIONS_REFUSED(
            "Data connections of peers that gave no proof of the cluster's secret: a stranger, or a node without it."),
    NOTIFICATIONS_DROPPED(
            "Notifications of peers that were answered and dropped, because nothing here waits for them.");

    private final String sentence;

    TransferCounter(String sentence) {
        this.sentence = sentence;
    }

    @Override
    public String sentence() {
        return sentence;
    }

    static TransferCounter failed(TransferException.Kind kind) {
        return switch (kind) {
            case PEER_GONE -> FAILED_PEER_GONE;
            case TIMED_OUT -> FAILED_TIMED_OUT;
            case REJECTED -> FAILED_REJECTED;
            case CORRUPT -> FAILED_CORRUPT;
            case OVERLOADED -> FAILED_OVERLOADED;
            case CANCELLED -> FAILED_CANCELLED;
        };
    }
}
