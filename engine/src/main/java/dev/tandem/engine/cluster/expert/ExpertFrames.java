package dev.tandem.engine.cluster.expert;

import dev.tandem.engine.cluster.channel.FrameException;
import dev.tandem.kernel.Matrix;
import dev.tandem.parallel.ExpertRows;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/**
 * Bodies of the frames between a rank and the owner of experts. Integers and floats are little-endian, floats as they are in memory.
 *
 * <pre>
 *                    0          8        12       16        20
 *                    +----------+--------+--------+---------+---------------------+----------------------+
 *    EXPERT_CALL     | call id  | layer  | rows r | pairs p | p x (expert, rows)  | r x hidden float32   |
 *                    +----------+--------+--------+---------+---------------------+----------------------+
 *    EXPERT_RESULT   | call id  | rows r | r x hidden float32                                            |
 *                    +----------+--------+---------------------------------------------------------------+
 *    EXPERT_ERROR    | call id  | message, UTF-8                                                         |
 *                    +----------+------------------------------------------------------------------------+
 * </pre>
 *
 * <p>Pairs are by ascending expert, each with at least one row; rows follow in that order. Pure.
 */
final class ExpertFrames {
    private static final int CALL_BYTES = Long.BYTES + 3 * Integer.BYTES;
    private static final int PAIR_BYTES = 2 * Integer.BYTES;
    private static final int RESULT_BYTES = Long.BYTES + Integer.BYTES;
    private static final int MAX_MESSAGE_BYTES = 1024;

    /** What comes before the pairs of a call. */
    record CallHeader(long id, int layer, int rows, int pairs) {}

    private ExpertFrames() {}

    /** Most bytes of a call. */
    static int callBytes(RowRange range, int hiddenSize) {
        int experts = range.toExpert() - range.fromExpert();
        return Math.addExact(
                CALL_BYTES + experts * PAIR_BYTES, Math.multiplyExact(range.rows(), hiddenSize * Float.BYTES));
    }

    static int resultBytes(int rows, int hiddenSize) {
        return Math.addExact(RESULT_BYTES, Math.multiplyExact(rows, hiddenSize * Float.BYTES));
    }

    /** Most rows of some experts that fit a body. */
    static int maxRows(int bodyBytes, int experts, int hiddenSize) {
        return (bodyBytes - CALL_BYTES - experts * PAIR_BYTES) / (hiddenSize * Float.BYTES);
    }

    /** Writes a call with some of the rows; gives its length. */
    static int writeCall(byte[] to, long id, ExpertRows rows, RowRange range) {
        ByteBuffer body = ByteBuffer.wrap(to).order(ByteOrder.LITTLE_ENDIAN);
        body.putLong(id).putInt(rows.layer()).putInt(range.rows()).putInt(0);
        int pairs = 0;
        for (int expert = range.fromExpert(); expert < range.toExpert(); expert++) {
            int its = range.rowsOf(rows, expert);
            if (its > 0) {
                body.putInt(expert).putInt(its);
                pairs++;
            }
        }
        body.putInt(CALL_BYTES - Integer.BYTES, pairs);
        putRows(body, rows.x(), range.fromRow(), range.rows());
        return body.position();
    }

    /** Reads the beginning of a call. */
    static CallHeader readHeader(ByteBuffer body) throws FrameException {
        if (body.remaining() < CALL_BYTES) {
            throw new FrameException("body of EXPERT_CALL", "at least " + CALL_BYTES + " bytes", body.remaining());
        }
        return new CallHeader(body.getLong(), body.getInt(), body.getInt(), body.getInt());
    }

    /** Refuses a call that does not fit the model, or whose length is not what it says. */
    static void check(CallHeader header, ByteBuffer body, ExpertShape shape) throws FrameException {
        int layers = shape.expertsByLayer().length;
        require("layer", header.layer(), 0, layers - 1);
        int experts = shape.expertsByLayer()[header.layer()];
        require("experts of layer " + header.layer(), experts, 1, Integer.MAX_VALUE);
        require("pairs", header.pairs(), 1, experts);
        int mostRows = body.remaining() / shape.rowBytes();
        require("rows", header.rows(), 1, mostRows);
        long expected = (long) header.pairs() * PAIR_BYTES + (long) header.rows() * shape.rowBytes();
        if (body.remaining() != expected) {
            throw new FrameException("bytes behind the header of EXPERT_CALL", "" + expected, body.remaining());
        }
    }

    /** Reads pairs and rows of a call that was checked. */
    static void readCall(CallHeader header, ByteBuffer body, ExpertRows into) throws FrameException {
        into.begin(header.layer());
        int next = 0;
        int rows = 0;
        for (int pair = 0; pair < header.pairs(); pair++) {
            int expert = body.getInt();
            int its = body.getInt();
            require("expert of pair " + pair, expert, next, into.experts() - 1);
            require("rows of expert " + expert, its, 1, header.rows() - rows);
            for (; next < expert; next++) {
                into.count(next, 0);
            }
            into.count(next++, its);
            rows += its;
        }
        for (; next < into.experts(); next++) {
            into.count(next, 0);
        }
        require("rows of all experts", rows, header.rows(), header.rows());
        getRows(body, into.x(), 0, rows);
    }

    /** Writes the results of a call; gives their length. */
    static int writeResult(byte[] to, long id, Matrix results, int rows) {
        ByteBuffer body = ByteBuffer.wrap(to).order(ByteOrder.LITTLE_ENDIAN);
        body.putLong(id).putInt(rows);
        putRows(body, results, 0, rows);
        return body.position();
    }

    /** Reads the results behind the call id. */
    static void readResult(ByteBuffer body, Matrix results, RowRange range) throws FrameException {
        int bytes = resultBytes(range.rows(), results.columns()) - Long.BYTES;
        if (body.remaining() != bytes) {
            throw new FrameException("bytes of EXPERT_RESULT", "" + bytes, body.remaining());
        }
        require("rows of EXPERT_RESULT", body.getInt(), range.rows(), range.rows());
        getRows(body, results, range.fromRow(), range.rows());
    }

    /** The call that a result or an error answers. */
    static long readId(ByteBuffer body) throws FrameException {
        if (body.remaining() < Long.BYTES) {
            throw new FrameException("body of an answer", "at least " + Long.BYTES + " bytes", body.remaining());
        }
        return body.getLong();
    }

    static byte[] error(long id, String message) {
        byte[] utf8 = message.getBytes(StandardCharsets.UTF_8);
        int bytes = Math.min(utf8.length, MAX_MESSAGE_BYTES);
        return ByteBuffer.allocate(Long.BYTES + bytes)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(id)
                .put(utf8, 0, bytes)
                .array();
    }

    /** The message behind the call id. */
    static String readError(ByteBuffer body) {
        var utf8 = new byte[Math.min(body.remaining(), MAX_MESSAGE_BYTES)];
        body.get(utf8);
        return new String(utf8, StandardCharsets.UTF_8).replaceAll("\\p{Cc}", "?");
    }

    private static void putRows(ByteBuffer body, Matrix from, int firstRow, int rows) {
        int values = rows * from.columns();
        body.asFloatBuffer().put(from.values(), from.offset(firstRow), values);
        body.position(body.position() + values * Float.BYTES);
    }

    private static void getRows(ByteBuffer body, Matrix to, int firstRow, int rows) {
        int values = rows * to.columns();
        body.asFloatBuffer().get(to.values(), to.offset(firstRow), values);
        body.position(body.position() + values * Float.BYTES);
    }

    private static void require(String field, int found, int least, int most) throws FrameException {
        if (found < least || found > most) {
            throw new FrameException(field, least + " to " + most, found);
        }
    }
}
