package dev.tandem.engine.handoff.zmtp;

import dev.tandem.engine.handoff.zmtp.ZmtpException.Kind;
import dev.tandem.trust.MutualProof;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Makes events of the bytes that one peer sends, however they are cut; {@link ZmtpFrames} has the pictures. No length is believed: what is
 * above a bound ends the connection before anything is allocated for it, and what is below grows with what has come. Pure: no I/O, no clock.
 */
public final class ZmtpReader {
    /** First space for a frame that has not come whole. */
    private static final int FIRST_BYTES = 4 << 10;

    private static final int MAX_SHOWN = 255; // chars of a peer's text in a message
    private static final int FLAGS = ZmtpFrames.MORE | ZmtpFrames.LONG | ZmtpFrames.COMMAND;

    /** What a peer said. */
    public sealed interface Event {
        /** The peer speaks ZMTP 3; READY may be sent. */
        record Greeted(int minor) implements Event {}

        /**
         * The peer's socket and this one may talk; messages may be sent.
         *
         * @param properties by name in small letters, the socket type among them
         */
        record Readied(ZmtpSocketType type, Map<String, byte[]> properties) implements Event {}

        /** A whole message, at least one part. */
        record Message(List<byte[]> parts) implements Event {}

        /** Wants to be answered with PONG. */
        @SuppressWarnings("ArrayRecordComponent") // given back as it is, never compared
        record Pinged(byte[] context) implements Event {}

        /** The peer shows that it knows the cluster's secret. */
        @SuppressWarnings("ArrayRecordComponent") // a proof, compared by whoever asked for it
        record Proved(byte[] proof) implements Event {}

        /** The answer to a PING. */
        @SuppressWarnings("ArrayRecordComponent") // compared by whoever has asked
        record Ponged(byte[] context) implements Event {}
    }

    private final ZmtpSocketType own;
    private final int messageBytes;
    private final ZmtpLimits.Sizes sizes;
    private int greetingBytes; // of the greeting that have come
    private boolean isReady;
    private int flags = -1; // of the frame that is coming; -1 before it
    private int lengthBytes; // of its length that are to come
    private long length;
    private byte[] body = new byte[0];
    private int bodyBytes; // of the body that have come
    private List<byte[]> parts = new ArrayList<>(); // of the message that is coming
    private int partBytes; // of all these parts

    /**
     * @param own this side's socket type
     * @param messageBytes longest message, all parts together
     */
    public ZmtpReader(ZmtpSocketType own, int messageBytes, ZmtpLimits.Sizes sizes) {
        this.own = own;
        this.messageBytes = messageBytes;
        this.sizes = sizes;
    }

    /**
     * Takes bytes up to the end of the next event.
     *
     * @return null when all bytes were taken and no event has come whole
     * @throws ZmtpException MALFORMED or TOO_LARGE; then nothing more may be read from this peer
     */
    public @Nullable Event next(ByteBuffer bytes) throws ZmtpException {
        if (greetingBytes < ZmtpFrames.GREETING_BYTES) {
            return greet(bytes);
        }
        while (bytes.hasRemaining()) {
            if (flags < 0) {
                begin(bytes.get());
            } else if (lengthBytes > 0) {
                length = (length << 8) | (bytes.get() & 0xff);
                if (--lengthBytes == 0) {
                    admit();
                }
            } else {
                fill(bytes);
            }
            if (flags >= 0 && lengthBytes == 0 && bodyBytes == length) {
                Event event = end();
                if (event != null) {
                    return event;
                }
            }
        }
        return null;
    }

    /** Bytes of memory that wait for the rest of a frame or message. */
    public int heldBytes() {
        return partBytes + body.length;
    }

    /** Whether the peer has begun a message that is not whole. */
    public boolean isMidway() {
        return flags >= 0 || !parts.isEmpty();
    }

    private @Nullable Event greet(ByteBuffer bytes) throws ZmtpException {
        while (bytes.hasRemaining()) {
            int at = greetingBytes;
            int value = bytes.get() & 0xff;
            if ((at == 0 && value != 0xff) || (at == ZmtpFrames.SIGNATURE_END && value != 0x7f)) {
                throw malformed("not ZMTP: byte " + at + " of the greeting is 0x" + Integer.toHexString(value));
            }
            if (at == ZmtpFrames.VERSION_AT && value < ZmtpFrames.MAJOR) {
                throw malformed("ZMTP version " + value + ", but 3.0 or later is spoken here");
            }
            if (at == ZmtpFrames.VERSION_AT + 1) {
                length = value; // the minor version, until the greeting is whole
            }
            int place = at - ZmtpFrames.MECHANISM_AT;
            if (place >= 0 && place < ZmtpFrames.MECHANISM_BYTES) {
                int expected = place < ZmtpFrames.MECHANISM.length ? ZmtpFrames.MECHANISM[place] : 0;
                if (value != expected) {
                    throw malformed("a security mechanism other than NULL");
                }
            }
            if (++greetingBytes == ZmtpFrames.GREETING_BYTES) {
                return new Event.Greeted((int) length);
            }
        }
        return null;
    }

    private void begin(byte first) throws ZmtpException {
        int value = first & 0xff;
        boolean isCommand = (value & ZmtpFrames.COMMAND) != 0;
        if ((value & ~FLAGS) != 0 || (isCommand && (value & ZmtpFrames.MORE) != 0)) {
            throw malformed("a frame with flags 0x" + Integer.toHexString(value));
        }
        if (!isCommand && !isReady) {
            throw malformed("a message before READY");
        }
        if (isCommand && !parts.isEmpty()) {
            throw malformed("a command within a message");
        }
        if (!isCommand && parts.size() >= sizes.parts()) {
            throw new ZmtpException(Kind.TOO_LARGE, "a message of more than " + sizes.parts() + " parts");
        }
        flags = value;
        length = 0;
        bodyBytes = 0;
        lengthBytes = (value & ZmtpFrames.LONG) != 0 ? Long.BYTES : 1;
    }

    /** The length has come: a negative one is one above 2^63. */
    private void admit() throws ZmtpException {
        boolean isCommand = (flags & ZmtpFrames.COMMAND) != 0;
        int bound = isCommand ? sizes.commandBytes() : messageBytes - partBytes;
        if (length < 0 || length > bound) {
            throw new ZmtpException(
                    Kind.TOO_LARGE,
                    "a frame of " + Long.toUnsignedString(length) + " bytes"
                            + (isCommand
                                    ? ", but a command has at most " + bound
                                    : " behind " + partBytes + ", but a message has at most " + messageBytes));
        }
    }

    private void fill(ByteBuffer bytes) {
        int count = (int) Math.min(bytes.remaining(), length - bodyBytes);
        if (bodyBytes + count > body.length) {
            long space = bodyBytes + count == length ? length : Math.max(FIRST_BYTES, 2L * (bodyBytes + count));
            body = Arrays.copyOf(body, (int) Math.min(length, space));
        }
        bytes.get(body, bodyBytes, count);
        bodyBytes += count;
    }

    /** The frame is whole. */
    private @Nullable Event end() throws ZmtpException {
        byte[] whole = body.length == bodyBytes ? body : Arrays.copyOf(body, bodyBytes);
        boolean isCommand = (flags & ZmtpFrames.COMMAND) != 0;
        boolean isLast = (flags & ZmtpFrames.MORE) == 0;
        flags = -1;
        body = new byte[0];
        if (isCommand) {
            return command(ByteBuffer.wrap(whole));
        }
        parts.add(whole);
        partBytes += whole.length;
        if (!isLast) {
            return null;
        }
        var message = new Event.Message(parts);
        parts = new ArrayList<>();
        partBytes = 0;
        return message;
    }

    /** Commands that nobody here knows are skipped, as RFC 37 wants it. */
    private @Nullable Event command(ByteBuffer command) throws ZmtpException {
        String name = text(take(command, takeByte(command, "name of a command"), "name of a command"));
        if (name.equals(ZmtpFrames.ERROR)) {
            String reason = text(take(command, takeByte(command, "ERROR"), "ERROR"));
            throw malformed("the peer refuses: " + shown(reason));
        }
        if (name.equals(ZmtpFrames.READY)) {
            if (isReady) {
                throw malformed("READY twice");
            }
            isReady = true;
            return ready(command);
        }
        if (!isReady) {
            throw malformed("command " + shown(name) + " before READY");
        }
        return switch (name) {
            case ZmtpFrames.PING -> {
                take(command, ZmtpFrames.PING_TTL_BYTES, name);
                yield new Event.Pinged(context(command, name));
            }
            case ZmtpFrames.PROOF -> new Event.Proved(take(command, MutualProof.PROOF_BYTES, name));
            case ZmtpFrames.PONG -> new Event.Ponged(context(command, name));
            default -> null;
        };
    }

    private static byte[] context(ByteBuffer command, String name) throws ZmtpException {
        if (command.remaining() > ZmtpFrames.MAX_PING_CONTEXT) {
            throw malformed(name + " with a context of " + command.remaining() + " bytes");
        }
        return take(command, command.remaining(), name);
    }

    private Event ready(ByteBuffer command) throws ZmtpException {
        var properties = new HashMap<String, byte[]>();
        while (command.hasRemaining()) {
            String name = text(take(command, takeByte(command, ZmtpFrames.READY), ZmtpFrames.READY));
            if (command.remaining() < Integer.BYTES) {
                throw malformed("READY ends within a property");
            }
            properties.put(name.toLowerCase(Locale.ROOT), take(command, command.getInt(), ZmtpFrames.READY));
        }
        byte[] type = properties.get(ZmtpFrames.SOCKET_TYPE.toLowerCase(Locale.ROOT));
        if (type == null) {
            throw malformed("READY names no Socket-Type");
        }
        ZmtpSocketType peer = ZmtpSocketType.named(text(type))
                .filter(own::talksTo)
                .orElseThrow(() -> malformed("a socket of type " + shown(text(type)) + " does not talk to " + own));
        return new Event.Readied(peer, Map.copyOf(properties));
    }

    private static int takeByte(ByteBuffer from, String what) throws ZmtpException {
        if (!from.hasRemaining()) {
            throw malformed(what + " is cut short");
        }
        return from.get() & 0xff;
    }

    private static byte[] take(ByteBuffer from, int count, String what) throws ZmtpException {
        if (count < 0 || count > from.remaining()) {
            throw malformed(what + " says " + Integer.toUnsignedString(count) + " bytes, but " + from.remaining()
                    + " are there");
        }
        var taken = new byte[count];
        from.get(taken);
        return taken;
    }

    private static String text(byte[] bytes) {
        return new String(bytes, StandardCharsets.US_ASCII);
    }

    /** Printable and short, whatever a peer sends: it ends in a log. */
    private static String shown(String text) {
        var shown = new StringBuilder("\"");
        for (int at = 0; at < Math.min(text.length(), MAX_SHOWN); at++) {
            char letter = text.charAt(at);
            shown.append(letter >= ' ' && letter <= '~' ? letter : '?');
        }
        return shown.append('"').toString();
    }

    private static ZmtpException malformed(String what) {
        return new ZmtpException(Kind.MALFORMED, what);
    }
}
