package dev.tandem.engine.cluster.channel;

import dev.tandem.corpus.Corpus;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.time.Duration;
import org.junit.jupiter.api.Test;

/** What stands on a connection between processes, frame behind frame: byte 0 says how many bytes come at a time. */
class FrameStreamFuzzTest {
    private static final int MAX_BODY_BYTES = 1 << 16;
    private static final ChannelLimits LIMITS = new ChannelLimits(Duration.ofSeconds(10), MAX_BODY_BYTES, 8, 1 << 20);

    @Test
    void shouldReadOrRefuseEveryStreamOfFrames() {
        Corpus.replay("frames", FrameStreamFuzzTest::fuzzerTestOneInput);
    }

    public static void fuzzerTestOneInput(byte[] input) {
        if (input.length == 0) {
            return;
        }
        int piece = 1 + (input[0] & 63);
        var socket = new PlayedSocket(new ByteArrayInputStream(input, 1, input.length - 1), piece);
        var queue = new FrameQueue(LIMITS);
        var reader = new FrameReader(socket, LIMITS, new FrameWriter(socket, queue, LIMITS));
        long bytes = 0;
        try {
            while (true) {
                FrameHeader header = reader.header(MAX_BODY_BYTES);
                ByteBuffer body = reader.body(header.bodyBytes());
                Corpus.require(body.remaining() == header.bodyBytes(), "a body of another length");
                bytes += FrameHeader.BYTES + header.bodyBytes();
                readValues(body);
            }
        } catch (FrameException | IOException end) {
            Corpus.require(bytes < input.length, "more frames than bytes");
        }
    }

    /** Whatever values a body has, it is read through. */
    private static void readValues(ByteBuffer body) throws FrameException {
        BodyReader.readBeginning(
                body, reader -> reader.list("values", 64, each -> String.valueOf(each.plain("value"))));
    }

    /** A connection on which the input comes in pieces, and then ends. */
    private static final class PlayedSocket extends Socket {
        private final InputStream stream;

        PlayedSocket(InputStream input, int piece) {
            this.stream = new InputStream() {
                @Override
                public int read() throws IOException {
                    return input.read();
                }

                @Override
                public int read(byte[] into, int offset, int length) throws IOException {
                    return input.read(into, offset, Math.min(length, piece));
                }
            };
        }

        @Override
        public InputStream getInputStream() {
            return stream;
        }
    }
}
