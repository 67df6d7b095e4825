package dev.tandem.engine.cluster.channel;

import java.io.IOException;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.msgpack.core.MessagePacker;
import org.msgpack.core.MessageUnpacker;

/**
 * JSON values as msgpack. Whole numbers come back as the narrowest of Integer, Long and BigInteger, others as Double, which is what a JSON
 * parser gives. Numbers beyond 64 bits travel as an extension with their decimal digits. Pure.
 */
final class PlainValues {
    private static final int MAX_DEPTH = 32;
    private static final int MAX_ENTRIES = 1 << 20;
    private static final int MAX_TEXT_BYTES = 1 << 20;
    private static final int MAX_DIGITS = 400;
    private static final byte BIG_INTEGER = 1;

    private PlainValues() {}

    static void pack(MessagePacker packer, @Nullable Object value) throws IOException {
        switch (value) {
            case null -> packer.packNil();
            case Boolean it -> packer.packBoolean(it);
            case Integer it -> packer.packInt(it);
            case Long it -> packer.packLong(it);
            case Short it -> packer.packShort(it);
            case Byte it -> packer.packByte(it);
            case Double it -> packer.packDouble(it);
            case Float it -> packer.packDouble(it);
            case BigInteger it -> packBig(packer, it);
            case String it -> packText(packer, it);
            case List<?> it -> {
                packer.packArrayHeader(it.size());
                for (Object entry : it) {
                    pack(packer, entry);
                }
            }
            case Map<?, ?> it -> {
                packer.packMapHeader(it.size());
                for (Map.Entry<?, ?> entry : it.entrySet()) {
                    packText(packer, (String) entry.getKey());
                    pack(packer, entry.getValue());
                }
            }
            default ->
                throw new IllegalArgumentException("a " + value.getClass().getName() + " is not a JSON value");
        }
    }

    private static void packText(MessagePacker packer, String text) throws IOException {
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        packer.packRawStringHeader(utf8.length).writePayload(utf8);
    }

    private static void packBig(MessagePacker packer, BigInteger value) throws IOException {
        if (value.bitLength() < Long.SIZE) {
            packer.packLong(value.longValue());
            return;
        }
        byte[] digits = value.toString().getBytes(StandardCharsets.US_ASCII);
        packer.packExtensionTypeHeader(BIG_INTEGER, digits.length);
        packer.writePayload(digits);
    }

    static @Nullable Object unpack(MessageUnpacker unpacker, String field) throws IOException, FrameException {
        return unpack(unpacker, field, MAX_DEPTH);
    }

    private static @Nullable Object unpack(MessageUnpacker unpacker, String field, int depth)
            throws IOException, FrameException {
        return switch (unpacker.getNextFormat().getValueType()) {
            case NIL -> {
                unpacker.unpackNil();
                yield null;
            }
            case BOOLEAN -> unpacker.unpackBoolean();
            case INTEGER -> narrow(unpacker.unpackLong());
            case FLOAT -> unpacker.unpackDouble();
            case STRING -> text(unpacker, field);
            case EXTENSION -> big(unpacker, field);
            case ARRAY -> list(unpacker, field, deeper(field, depth));
            case MAP -> map(unpacker, field, deeper(field, depth));
            case BINARY -> throw new FrameException(field, "a JSON value", "bytes");
        };
    }

    private static List<@Nullable Object> list(MessageUnpacker unpacker, String field, int depth)
            throws IOException, FrameException {
        int entries = bounded(field, unpacker.unpackArrayHeader(), MAX_ENTRIES);
        var list = new ArrayList<@Nullable Object>();
        for (int i = 0; i < entries; i++) {
            list.add(unpack(unpacker, field, depth));
        }
        return list;
    }

    private static Map<String, @Nullable Object> map(MessageUnpacker unpacker, String field, int depth)
            throws IOException, FrameException {
        int entries = bounded(field, unpacker.unpackMapHeader(), MAX_ENTRIES);
        var map = new LinkedHashMap<String, @Nullable Object>();
        for (int i = 0; i < entries; i++) {
            String key = text(unpacker, field);
            map.put(key, unpack(unpacker, field, depth));
        }
        if (map.size() != entries) {
            throw new FrameException(field, "an object without repeated keys", entries + " keys");
        }
        return map;
    }

    private static String text(MessageUnpacker unpacker, String field) throws IOException, FrameException {
        int bytes = bounded(field, unpacker.unpackRawStringHeader(), MAX_TEXT_BYTES);
        return new String(unpacker.readPayload(bytes), StandardCharsets.UTF_8);
    }

    private static BigInteger big(MessageUnpacker unpacker, String field) throws IOException, FrameException {
        var header = unpacker.unpackExtensionTypeHeader();
        if (header.getType() != BIG_INTEGER) {
            throw new FrameException(field, "a JSON value", "extension " + header.getType());
        }
        int digits = bounded(field, header.getLength(), MAX_DIGITS);
        var text = new String(unpacker.readPayload(digits), StandardCharsets.US_ASCII);
        try {
            return new BigInteger(text);
        } catch (NumberFormatException e) {
            throw new FrameException(field + " is not a number: " + e.getMessage(), e);
        }
    }

    private static Object narrow(long value) {
        if (value == (int) value) {
            return (int) value;
        }
        return value;
    }

    private static int deeper(String field, int depth) throws FrameException {
        if (depth == 0) {
            throw new FrameException(field, "at most " + MAX_DEPTH + " levels deep", "deeper");
        }
        return depth - 1;
    }

    private static int bounded(String field, int count, int most) throws FrameException {
        if (count < 0 || count > most) {
            throw new FrameException("size of " + field, "0 to " + most, Integer.toUnsignedString(count));
        }
        return count;
    }
}
