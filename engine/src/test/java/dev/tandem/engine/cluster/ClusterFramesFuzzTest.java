package dev.tandem.engine.cluster;

import dev.tandem.corpus.Corpus;
import dev.tandem.engine.EngineStatus;
import dev.tandem.engine.cluster.channel.BodyReader;
import dev.tandem.engine.cluster.channel.BodyWriter;
import dev.tandem.engine.cluster.channel.FrameException;
import dev.tandem.engine.request.Request;
import dev.tandem.engine.request.TokenEvent;
import dev.tandem.trust.Wire;
import java.nio.ByteBuffer;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** Bodies of the frames between head and nodes: byte 0 chooses the kind. Read and written back as the same, or refused by field. */
class ClusterFramesFuzzTest {
    @Test
    void shouldReadOrRefuseEveryBody() {
        Corpus.replay("cluster", ClusterFramesFuzzTest::fuzzerTestOneInput);
    }

    public static void fuzzerTestOneInput(byte[] input) {
        if (input.length == 0) {
            return;
        }
        ByteBuffer body = ByteBuffer.wrap(Arrays.copyOfRange(input, 1, input.length));
        try {
            byte[] written = written(input[0] & 7, body);
            byte[] again = written(input[0] & 7, ByteBuffer.wrap(written));
            Corpus.require(Arrays.equals(written, again), "another body when written and read again");
        } catch (FrameException refusal) {
            Corpus.require(String.valueOf(refusal.getMessage()).length() < 1_000, "a long refusal");
        }
    }

    private static byte[] written(int kind, ByteBuffer body) throws FrameException {
        return switch (kind) {
            case 0 -> {
                Request request = BodyReader.read(body, RequestCodec::read);
                yield new BodyWriter()
                        .with(to -> RequestCodec.write(to, request, Wire.CLUSTER.version()))
                        .toBytes();
            }
            case 1 -> event(body, EventCodec::readToken);
            case 2 -> event(body, EventCodec::readFinished);
            case 3 -> event(body, EventCodec::readFailed);
            case 4 ->
                BodyReader.read(body, reader -> {
                    int rank = StatusCodec.readRank(reader);
                    EngineStatus status = StatusCodec.read(reader);
                    return StatusCodec.encode(rank, status);
                });
            case 5 -> Hello.decode(body).encode();
            case 6 -> Members.decode(body).encode();
            default -> Refusal.decode(body).encode();
        };
    }

    private static byte[] event(ByteBuffer body, BodyReader.Part<? extends TokenEvent> part) throws FrameException {
        return BodyReader.read(body, reader -> {
            long stream = EventCodec.readStream(reader);
            return EventCodec.encode(stream, part.from(reader));
        });
    }
}
