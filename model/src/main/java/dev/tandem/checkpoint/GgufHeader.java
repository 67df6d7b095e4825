package dev.tandem.checkpoint;

import dev.tandem.kernel.DType;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What stands before the weights in a GGUF file of version 3, checked completely against the file's size.
 *
 * <pre>
 *   | "GGUF" | u32 version 3 | u64 tensors | u64 keys | key, type, value … | name, u32 extents, u64 each, u32 type, u64 offset … |
 *   | padding to the alignment | data: each tensor at a multiple of the alignment, in the order of the offsets |
 *   text = u64 length, bytes;  array = u32 type, u64 count, values;  extents: fastest first;  little-endian throughout
 * </pre>
 *
 * Source: docs/gguf.md of ggml.
 *
 * @param metadata keys and values, see {@link GgufCheckpoint#metadata()}
 * @param dataOffset where the data part begins in the file
 * @param spans tensors under ggml's names, shapes slowest first
 */
record GgufHeader(Map<String, Object> metadata, long dataOffset, List<TensorSpan> spans) {
    private static final int MAGIC = 0x46554747; // "GGUF", little-endian
    private static final int VERSION = 3;
    private static final int MAX_KEYS = 65_536;
    private static final int MAX_TENSORS = 250_000;
    private static final long MIN_ALIGNMENT = 8;
    private static final long DEFAULT_ALIGNMENT = 32;
    private static final long MAX_ALIGNMENT = 65_536;

    /** Reads and checks everything before the weights. */
    static GgufHeader read(MappedFile file) {
        return new Reader(file).read();
    }

    /** The data part. */
    MemorySegment data(MappedFile file) {
        return file.bytes().asSlice(Math.min(dataOffset, file.size()));
    }

    private static Optional<DType> dtype(long type) {
        return switch ((int) Math.min(type, Integer.MAX_VALUE)) {
            case 0 -> Optional.of(DType.F32);
            case 1 -> Optional.of(DType.F16);
            case 2 -> Optional.of(DType.Q4_0);
            case 3 -> Optional.of(DType.Q4_1);
            case 8 -> Optional.of(DType.Q8_0);
            case 30 -> Optional.of(DType.BF16);
            default -> Optional.empty();
        };
    }

    /** ggml's name of a type that is not read, for messages. */
    private static String typeName(long type) {
        return switch ((int) Math.min(type, Integer.MAX_VALUE)) {
            case 6 -> "Q5_0";
            case 7 -> "Q5_1";
            case 9 -> "Q8_1";
            case 10 -> "Q2_K";
            case 11 -> "Q3_K";
            case 12 -> "Q4_K";
            case 13 -> "Q5_K";
            case 14 -> "Q6_K";
            case 15 -> "Q8_K";
            case 16, 17, 18, 19, 20, 21, 22, 23, 29 -> "IQ type " + type;
            case 24 -> "I8";
            case 25 -> "I16";
            case 26 -> "I32";
            case 27 -> "I64";
            case 28 -> "F64";
            case 34 -> "TQ1_0";
            case 35 -> "TQ2_0";
            case 39 -> "MXFP4";
            default -> "unknown type " + type;
        };
    }

    /** Walks through the file once. */
    private static final class Reader {
        private final MappedFile file;
        private final Path path;
        private final GgufCursor cursor;

        Reader(MappedFile file) {
            this.file = file;
            this.path = file.path();
            this.cursor = new GgufCursor(file);
        }

        GgufHeader read() {
            int magic = cursor.i32("magic");
            if (magic != MAGIC) {
                throw CheckpointException.refuse(path, "magic", "GGUF", "0x" + Integer.toHexString(magic));
            }
            int version = cursor.i32("version");
            if (version != VERSION) {
                boolean isBigEndian = version == Integer.reverseBytes(VERSION);
                throw CheckpointException.refuse(
                        path, "version", "3, little-endian", isBigEndian ? "3, big-endian" : version);
            }
            long tensors = cursor.u64("number of tensors");
            long keys = cursor.u64("number of keys");
            requireAtMost("number of tensors", tensors, MAX_TENSORS);
            requireAtMost("number of keys", keys, MAX_KEYS);
            Map<String, Object> metadata = metadata(keys);
            long alignment = alignment(metadata);
            var entries = new ArrayList<Entry>();
            for (long i = 0; i < tensors; i++) {
                entries.add(entry());
            }
            long dataOffset = Math.ceilDiv(cursor.position(), alignment) * alignment;
            return new GgufHeader(
                    Collections.unmodifiableMap(metadata), dataOffset, spans(entries, alignment, dataOffset));
        }

        private void requireAtMost(String what, long found, long most) {
            if (found > most) {
                throw CheckpointException.refuse(path, what, "at most " + most, found);
            }
        }

        private Map<String, Object> metadata(long keys) {
            var metadata = new LinkedHashMap<String, Object>();
            for (long i = 0; i < keys; i++) {
                String key = cursor.text("key " + i);
                if (metadata.put(key, cursor.value(key)) != null) {
                    throw CheckpointException.refuse(path, "key " + key, "it once", "it twice");
                }
            }
            return metadata;
        }

        private long alignment(Map<String, Object> metadata) {
            Object found = metadata.getOrDefault("general.alignment", DEFAULT_ALIGNMENT);
            if (found instanceof Long alignment
                    && alignment >= MIN_ALIGNMENT
                    && alignment <= MAX_ALIGNMENT
                    && Long.bitCount(alignment) == 1) {
                return alignment;
            }
            throw CheckpointException.refuse(
                    path, "general.alignment", "a power of two of " + MIN_ALIGNMENT + " to " + MAX_ALIGNMENT, found);
        }

        private record Entry(String name, DType dtype, List<Integer> shape, long offset) {}

        private Entry entry() {
            String name = cursor.text("name of a tensor");
            String subject = "tensor " + name;
            long extents = cursor.u32(subject);
            if (extents < 1 || extents > TensorSpan.MAX_EXTENTS) {
                throw CheckpointException.refuse(path, subject, "1 to " + TensorSpan.MAX_EXTENTS + " extents", extents);
            }
            var shape = new ArrayList<Integer>();
            for (long i = 0; i < extents; i++) {
                long extent = cursor.u64(subject);
                if (extent > Integer.MAX_VALUE) {
                    throw CheckpointException.refuse(path, subject, "extents below 2^31", extent);
                }
                shape.addFirst((int) extent);
            }
            long type = cursor.u32(subject);
            DType dtype = dtype(type)
                    .orElseThrow(() -> CheckpointException.refuse(
                            path, subject, "type F32, F16, BF16, Q8_0, Q4_0 or Q4_1", typeName(type)));
            return new Entry(name, dtype, List.copyOf(shape), cursor.u64(subject));
        }

        private List<TensorSpan> spans(List<Entry> entries, long alignment, long dataOffset) {
            long dataBytes = Math.max(0, file.size() - dataOffset);
            var names = new HashSet<String>();
            var spans = new ArrayList<TensorSpan>();
            for (Entry entry : entries) {
                if (!names.add(entry.name)) {
                    throw CheckpointException.refuse(path, "tensor " + entry.name, "it once", "it twice");
                }
                long bytes = TensorSpan.bytes(path, entry.name, entry.dtype, entry.shape);
                if (entry.offset > dataBytes || bytes > dataBytes - entry.offset) {
                    throw CheckpointException.refuse(
                            path,
                            "tensor " + entry.name,
                            "an end within " + dataBytes + " bytes of data",
                            "offset " + entry.offset + " and " + bytes + " bytes");
                }
                spans.add(new TensorSpan(entry.name, entry.dtype, entry.shape, entry.offset, entry.offset + bytes));
            }
            TensorSpan.requireContiguous(path, spans, alignment, dataBytes);
            return List.copyOf(spans);
        }
    }
}
