package dev.tandem.ops.simulate;

/** What goes over a simulated transfer connection. */
@SuppressWarnings("ArrayRecordComponent") // sent as they are, never compared
sealed interface TransferFrame {
    /** Bytes of a head, a trailer or a status on the wire. */
    int HEAD_BYTES = 17;

    /** Which request of the connection it belongs to. */
    long id();

    record Read(long id, long address, int bytes) implements TransferFrame {}

    record Write(long id, long address, int bytes) implements TransferFrame {}

    /**
     * A part of a body, of either direction.
     *
     * @param sum CRC32C of the whole body; counts in the last piece
     */
    record Piece(long id, byte[] bytes, boolean isLast, int sum) implements TransferFrame {}

    record Status(long id, boolean isOk) implements TransferFrame {}
}
