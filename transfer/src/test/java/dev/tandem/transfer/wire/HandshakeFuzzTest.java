package dev.tandem.transfer.wire;

import dev.tandem.corpus.Corpus;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** What stands on a handshake connection: read and written back as the same, or refused with a {@link WireException}. */
class HandshakeFuzzTest {
    @Test
    void shouldReadOrRefuseEveryHandshake() {
        Corpus.replay("handshake", HandshakeFuzzTest::fuzzerTestOneInput);
    }

    public static void fuzzerTestOneInput(byte[] input) {
        HandshakeFrame frame;
        try {
            if (input.length >= HandshakeFrame.PREFIX_BYTES) {
                HandshakeFrame.bodyBytes(
                        Arrays.copyOf(input, HandshakeFrame.PREFIX_BYTES), HandshakeFrame.DEFAULT_MAX_BYTES);
            }
        } catch (WireException refusal) {
            Corpus.require(refusal.getMessage() != null, "refused without a word");
        }
        try {
            frame = HandshakeFrame.decode(input);
            byte[] written = frame.encode();
            byte[] body = Arrays.copyOfRange(written, HandshakeFrame.PREFIX_BYTES, written.length);
            Corpus.require(HandshakeFrame.decode(body).equals(frame), "another frame when written and read again");
        } catch (WireException refusal) {
            return;
        }
        readDescriptor(frame.json());
        readNotification(frame.json());
        try {
            SegmentName name = SegmentName.parse(frame.json());
            Corpus.require(name.port() > 0, "a segment without a port");
        } catch (WireException refusal) {
            Corpus.require(refusal.getMessage() != null, "refused without a word");
        }
    }

    private static void readDescriptor(String json) {
        try {
            SegmentDescriptor descriptor = SegmentDescriptor.parse(json);
            SegmentDescriptor again = SegmentDescriptor.parse(descriptor.toJson("now"));
            Corpus.require(again.equals(descriptor), "another descriptor when written and read again");
        } catch (WireException refusal) {
            Corpus.require(refusal.getMessage() != null, "refused without a word");
        }
    }

    private static void readNotification(String json) {
        try {
            Notification notification = Notification.parse(json);
            Corpus.require(Notification.parse(notification.toJson()).equals(notification), "another notification");
        } catch (WireException refusal) {
            Corpus.require(refusal.getMessage() != null, "refused without a word");
        }
    }
}
