package dev.tandem.engine.cluster.expert;

import dev.tandem.corpus.Corpus;
import dev.tandem.engine.cluster.channel.FrameException;
import dev.tandem.engine.cluster.expert.ExpertFrames.CallHeader;
import dev.tandem.kernel.Matrix;
import dev.tandem.parallel.ExpertRows;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** Rows for experts and their results: byte 0 chooses. A call that is taken is written back as the same. */
class ExpertFramesFuzzTest {
    private static final int HIDDEN = 4;
    private static final int EXPERTS = 8;
    private static final int MAX_ROWS = 256;
    private static final ExpertShape SHAPE = new ExpertShape(new int[] {0, EXPERTS, EXPERTS}, HIDDEN);

    @Test
    void shouldReadOrRefuseEveryFrame() {
        Corpus.replay("expert", ExpertFramesFuzzTest::fuzzerTestOneInput);
    }

    public static void fuzzerTestOneInput(byte[] input) {
        if (input.length == 0) {
            return;
        }
        ByteBuffer body = ByteBuffer.wrap(input, 1, input.length - 1).slice().order(ByteOrder.LITTLE_ENDIAN);
        try {
            switch (input[0] & 3) {
                case 0 -> result(body);
                case 1 -> error(body);
                default -> call(body, Arrays.copyOfRange(input, 1, input.length));
            }
        } catch (FrameException refusal) {
            Corpus.require(String.valueOf(refusal.getMessage()).length() < 1_000, "a long refusal");
        }
    }

    private static void call(ByteBuffer body, byte[] sent) throws FrameException {
        CallHeader header = ExpertFrames.readHeader(body);
        ExpertFrames.check(header, body, SHAPE);
        if (header.rows() > MAX_ROWS) {
            return;
        }
        var rows = new ExpertRows(MAX_ROWS, HIDDEN, EXPERTS);
        ExpertFrames.readCall(header, body, rows);
        var range = new RowRange(0, EXPERTS, 0, header.rows());
        var written = new byte[ExpertFrames.callBytes(range, HIDDEN)];
        int length = ExpertFrames.writeCall(written, header.id(), rows, range);
        Corpus.require(Arrays.equals(written, 0, length, sent, 0, sent.length), "another call when written again");
    }

    private static void result(ByteBuffer body) throws FrameException {
        long id = ExpertFrames.readId(body);
        int rows = Math.min(MAX_ROWS, body.remaining() / (HIDDEN * Float.BYTES));
        var results = Matrix.of(Math.max(1, rows), HIDDEN);
        ExpertFrames.readResult(body, results, new RowRange(0, EXPERTS, 0, rows));
        var written = new byte[ExpertFrames.resultBytes(rows, HIDDEN)];
        ExpertFrames.writeResult(written, id, results, rows);
        Corpus.require(ByteBuffer.wrap(written).order(ByteOrder.LITTLE_ENDIAN).getLong() == id, "another id");
    }

    private static void error(ByteBuffer body) throws FrameException {
        long id = ExpertFrames.readId(body);
        String message = ExpertFrames.readError(body);
        Corpus.require(message.chars().noneMatch(Character::isISOControl), "a message with control characters");
        ByteBuffer again = ByteBuffer.wrap(ExpertFrames.error(id, message)).order(ByteOrder.LITTLE_ENDIAN);
        Corpus.require(ExpertFrames.readId(again) == id, "another id");
    }
}
