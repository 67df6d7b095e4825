package dev.tandem.engine.cluster.channel;

import java.util.Arrays;

/** What a frame carries; the code is its byte on the wire. */
public enum FrameKind {
    /** A heartbeat: the sender is alive. Handled by the channel itself. */
    HEARTBEAT(0),

    /** The listening side's first frame: a nonce. */
    CHALLENGE(1),
    /** The connecting side's first frame: its terms. */
    HELLO(2),
    /** The terms agree. */
    WELCOME(3),
    /** They do not: field, both values; the connection ends. */
    REFUSED(4),
    /** Head to node: who is here. */
    MEMBERS(5),

    /** Head to node: a request for one of its ranks. */
    SUBMIT(16),
    /** Head to node: the reader of a stream wants no more. */
    CLOSE(17),
    /** Head to node: nobody will fetch the blocks lent for a request. */
    CANCEL_LEASE(18),
    /** Node to head: a token of a stream. */
    TOKEN(19),
    /** Node to head: a stream's end. */
    FINISHED(20),
    /** Node to head: a stream's end by failure. */
    FAILED(21),
    /** Node to head: state of one rank. */
    STATUS(22),
    /** Node to head: it was told to end, and goes now; without a body. */
    LEAVE(23),
    /** Head to node: whether the reader of a stream is behind. */
    READER(24),

    /** Rows for experts of the listening process. */
    EXPERT_CALL(32),
    /** The rows that the experts made of them. */
    EXPERT_RESULT(33),
    /** The reason why there are no such rows. */
    EXPERT_ERROR(34);

    private static final FrameKind[] BY_CODE = byCode();

    private final int code;

    FrameKind(int code) {
        this.code = code;
    }

    /** The byte on the wire, 0..127. */
    public int code() {
        return code;
    }

    /** @throws FrameException when no kind has this code */
    static FrameKind of(int code) throws FrameException {
        if (code < 0 || code >= BY_CODE.length || BY_CODE[code].code != code) {
            throw new FrameException("kind", "the code of a kind", code);
        }
        return BY_CODE[code];
    }

    private static FrameKind[] byCode() {
        var kinds = new FrameKind[EXPERT_ERROR.code + 1];
        Arrays.fill(kinds, HEARTBEAT);
        for (FrameKind kind : values()) {
            kinds[kind.code] = kind;
        }
        return kinds;
    }
}
