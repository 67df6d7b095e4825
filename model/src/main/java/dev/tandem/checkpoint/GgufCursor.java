package dev.tandem.checkpoint;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * A place in a GGUF file that moves forward as values are read. Every read is checked against the end of the file first, and what is
 * copied to the heap is bounded. Used by one thread while a file is opened.
 */
final class GgufCursor {
    /** Bytes of names and texts in one file; the vocabularies of published models take below 10 MiB. */
    static final int MAX_TEXT_BYTES = 64 << 20;

    /** Entries of all arrays in one file; published models have below one million. */
    static final int MAX_ARRAY_ENTRIES = 4 << 20;

    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final int TYPE_ARRAY = 9;

    private final Path file;
    private final MemorySegment bytes;
    private long position;
    private long textBytesLeft = MAX_TEXT_BYTES;
    private long arrayEntriesLeft = MAX_ARRAY_ENTRIES;

    GgufCursor(MappedFile file) {
        this.file = file.path();
        this.bytes = file.bytes();
    }

    long position() {
        return position;
    }

    long remaining() {
        return bytes.byteSize() - position;
    }

    private long take(String what, long size) {
        if (size > remaining()) {
            throw CheckpointException.refuse(
                    file, what, size + " bytes at " + position, remaining() + " bytes left in the file");
        }
        long at = position;
        position += size;
        return at;
    }

    private int u8(String what) {
        return bytes.get(ValueLayout.JAVA_BYTE, take(what, Byte.BYTES)) & 0xFF;
    }

    int i32(String what) {
        return bytes.get(INT, take(what, Integer.BYTES));
    }

    long u32(String what) {
        return Integer.toUnsignedLong(i32(what));
    }

    /** An unsigned number; one that does not fit 63 bits is refused, since no count, size or id is that large. */
    long u64(String what) {
        long value = i64(what);
        if (value < 0) {
            throw CheckpointException.refuse(file, what, "a number below 2^63", Long.toUnsignedString(value));
        }
        return value;
    }

    private long i64(String what) {
        return bytes.get(LONG, take(what, Long.BYTES));
    }

    /** A length of 64 bits, then that many bytes of UTF-8. */
    String text(String what) {
        long length = u64(what);
        if (length > textBytesLeft) {
            throw CheckpointException.refuse(
                    file, what, "at most " + MAX_TEXT_BYTES + " bytes of text in one file", length);
        }
        long at = take(what, length);
        textBytesLeft -= length;
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(bytes.asSlice(at, length).asByteBuffer())
                    .toString();
        } catch (CharacterCodingException e) {
            throw new CheckpointException(
                    file + ": " + CheckpointException.shown(what) + ": expected UTF-8, found other bytes", e);
        }
    }

    /** A value of metadata, after its type: text, Long, Double, Boolean, or a list of one of these. */
    Object value(String key) {
        int type = i32(key);
        return type == TYPE_ARRAY ? array(key) : scalar(key, type);
    }

    private Object scalar(String key, int type) {
        return switch (type) {
            case 0 -> (long) u8(key);
            case 1 -> (long) (byte) u8(key);
            case 2 -> (long) Short.toUnsignedInt(bytes.get(SHORT, take(key, Short.BYTES)));
            case 3 -> (long) bytes.get(SHORT, take(key, Short.BYTES));
            case 4 -> u32(key);
            case 5 -> (long) i32(key);
            case 6 -> (double) Float.intBitsToFloat(i32(key));
            case 7 -> flag(key);
            case 8 -> text(key);
            case 10 -> u64(key);
            case 11 -> i64(key);
            case 12 -> Double.longBitsToDouble(i64(key));
            default ->
                throw CheckpointException.refuse(
                        file,
                        key,
                        "a value type of 0 to 12 (arrays not inside arrays)",
                        Integer.toUnsignedString(type));
        };
    }

    private boolean flag(String key) {
        int value = u8(key);
        if (value > 1) {
            throw CheckpointException.refuse(file, key, "0 or 1 for false or true", value);
        }
        return value == 1;
    }

    private List<Object> array(String key) {
        int type = i32(key);
        long count = u64(key);
        // every entry takes at least one byte, so this bounds the list by the file's size too
        long most = Math.min(arrayEntriesLeft, remaining());
        if (count > most) {
            throw CheckpointException.refuse(file, key, "at most " + most + " entries", count);
        }
        arrayEntriesLeft -= count;
        var entries = new ArrayList<Object>();
        for (long i = 0; i < count; i++) {
            entries.add(scalar(key, type));
        }
        return Collections.unmodifiableList(entries);
    }
}
