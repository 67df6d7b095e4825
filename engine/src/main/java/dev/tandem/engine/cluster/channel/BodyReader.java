package dev.tandem.engine.cluster.channel;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;
import org.msgpack.core.MessageInsufficientBufferException;
import org.msgpack.core.MessagePack;
import org.msgpack.core.MessagePackException;
import org.msgpack.core.MessageUnpacker;

/**
 * Reads what {@link BodyWriter} wrote. Everything is untrusted: each read names its field and limits, and checks a count before it reserves
 * room for it.
 */
public final class BodyReader {
    private final MessageUnpacker unpacker;

    /** Reads one value; values of a list are read one after the other by the same function. */
    public interface Part<T> {
        T from(BodyReader reader) throws FrameException;
    }

    private interface Unpacking<T> {
        T from(MessageUnpacker unpacker) throws IOException, FrameException;
    }

    private BodyReader(ByteBuffer body) {
        this.unpacker = MessagePack.newDefaultUnpacker(body);
    }

    /**
     * Reads a whole body.
     *
     * @throws FrameException also when something is left behind what was read
     */
    public static <T> T read(ByteBuffer body, Part<T> part) throws FrameException {
        var reader = new BodyReader(body);
        T value = part.from(reader);
        if (reader.hasMore()) {
            throw new FrameException("end", "behind the last field", "before further bytes");
        }
        return value;
    }

    /** Reads the beginning of a body and leaves the rest. */
    public static <T> T readBeginning(ByteBuffer body, Part<T> part) throws FrameException {
        return part.from(new BodyReader(body));
    }

    /** Whether another field follows: fields that a later version adds stand at the end. */
    public boolean hasMore() throws FrameException {
        return unpack("next field", MessageUnpacker::hasNext);
    }

    public int integer(String field, int least, int most) throws FrameException {
        return (int) longInteger(field, least, most);
    }

    public long longInteger(String field, long least, long most) throws FrameException {
        long value = unpack(field, MessageUnpacker::unpackLong);
        if (value < least || value > most) {
            throw new FrameException(field, least + " to " + most, value);
        }
        return value;
    }

    public boolean flag(String field) throws FrameException {
        return unpack(field, MessageUnpacker::unpackBoolean);
    }

    public float number(String field) throws FrameException {
        return unpack(field, MessageUnpacker::unpackFloat);
    }

    public String text(String field, int maxBytes) throws FrameException {
        return unpack(field, from -> {
            int bytes = count(field + " bytes", from.unpackRawStringHeader(), maxBytes);
            return new String(from.readPayload(bytes), StandardCharsets.UTF_8);
        });
    }

    public byte[] bytes(String field, int maxBytes) throws FrameException {
        return unpack(field, from -> from.readPayload(count(field + " bytes", from.unpackBinaryHeader(), maxBytes)));
    }

    public int[] integers(String field, int maxCount) throws FrameException {
        return unpack(field, from -> {
            var values = new Integers(count(field + " count", from.unpackArrayHeader(), maxCount));
            while (!values.isFull()) {
                values.add(from.unpackInt());
            }
            return values.toArray();
        });
    }

    public long[] longIntegers(String field, int maxCount) throws FrameException {
        return unpack(field, from -> {
            int entries = count(field + " count", from.unpackArrayHeader(), maxCount);
            var values =
                    new long[Math.min(entries, Integers.FIRST)]; // grows with what is there, not with what is promised
            for (int i = 0; i < entries; i++) {
                if (i == values.length) {
                    values = Arrays.copyOf(values, Math.min(entries, 2 * i));
                }
                values[i] = from.unpackLong();
            }
            return values;
        });
    }

    public <T> List<T> list(String field, int maxCount, Part<T> each) throws FrameException {
        int entries = unpack(field, from -> count(field + " count", from.unpackArrayHeader(), maxCount));
        var values = new ArrayList<T>();
        for (int i = 0; i < entries; i++) {
            values.add(each.from(this));
        }
        return values;
    }

    public <T> Optional<T> optional(String field, Part<T> present) throws FrameException {
        return flag(field) ? Optional.of(present.from(this)) : Optional.empty();
    }

    public OptionalLong optionalLong(String field) throws FrameException {
        return flag(field) ? OptionalLong.of(longInteger(field, Long.MIN_VALUE, Long.MAX_VALUE)) : OptionalLong.empty();
    }

    public OptionalInt optionalInt(String field, int least, int most) throws FrameException {
        return flag(field) ? OptionalInt.of(integer(field, least, most)) : OptionalInt.empty();
    }

    /** A constant by its name. */
    public <E extends Enum<E>> E constant(String field, Class<E> type) throws FrameException {
        String name = text(field, 128);
        for (E constant : type.getEnumConstants()) {
            if (constant.name().equals(name)) {
                return constant;
            }
        }
        throw new FrameException(field, "one of " + List.of(type.getEnumConstants()), name);
    }

    /** A JSON value; see {@link BodyWriter#plain}. */
    public @Nullable Object plain(String field) throws FrameException {
        try {
            return PlainValues.unpack(unpacker, field);
        } catch (IOException | MessagePackException e) {
            throw unreadable(field, e);
        }
    }

    /** A JSON object. */
    public Map<String, @Nullable Object> object(String field) throws FrameException {
        if (!(plain(field) instanceof Map<?, ?> map)) {
            throw new FrameException(field, "an object", "something else");
        }
        var object = new LinkedHashMap<String, @Nullable Object>();
        map.forEach((key, value) -> object.put((String) key, value));
        return object;
    }

    private <T> T unpack(String field, Unpacking<T> unpacking) throws FrameException {
        try {
            return unpacking.from(unpacker);
        } catch (IOException | MessagePackException e) {
            throw unreadable(field, e);
        }
    }

    private static FrameException unreadable(String field, Exception cause) {
        boolean isCut = cause instanceof MessageInsufficientBufferException;
        return new FrameException(
                field + " cannot be read: " + (isCut ? "the body ends before it" : cause.getMessage()), cause);
    }

    private static int count(String field, int found, int most) throws FrameException {
        if (found < 0 || found > most) {
            throw new FrameException(field, "0 to " + most, Integer.toUnsignedString(found));
        }
        return found;
    }

    /** An array that grows with what has come, not with what was announced. */
    private static final class Integers {
        private static final int FIRST = 1024;

        private final int count;
        private int[] values;
        private int used;

        Integers(int count) {
            this.count = count;
            this.values = new int[Math.min(count, FIRST)];
        }

        boolean isFull() {
            return used == count;
        }

        void add(int value) {
            if (used == values.length) {
                values = Arrays.copyOf(values, Math.min(count, 2 * used));
            }
            values[used++] = value;
        }

        int[] toArray() {
            return values;
        }
    }
}
