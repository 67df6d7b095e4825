package dev.tandem.checkpoint;

import dev.tandem.kernel.DType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;

/**
 * The header of a safetensors file, checked completely against the file's size.
 *
 * <pre>
 *   0          8               8 + n                                  size
 *   | u64: n   | JSON, n bytes | data: tensors, one after the other   |
 *   JSON: {"name": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [begin, end]}, …, "__metadata__": {text: text}}
 * </pre>
 *
 * Source: the format section of the safetensors README.
 *
 * @param dataOffset where the data part begins in the file
 * @param spans all tensors, in the order of the header
 */
record SafetensorsHeader(long dataOffset, List<TensorSpan> spans) {
    /** Real headers take about 100 bytes per tensor; the largest published ones stay below 10 MiB. */
    static final int MAX_HEADER_BYTES = 32 << 20;

    static final int MAX_TENSORS = 250_000;

    private static final ValueLayout.OfLong LENGTH = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Reads and checks the header; the spans lie inside the data part, without overlap or gap, at multiples of their value size. */
    static SafetensorsHeader read(MappedFile file) {
        long size = file.size();
        if (size < Long.BYTES) {
            throw CheckpointException.refuse(file.path(), "size", "at least 8 bytes", size);
        }
        long headerBytes = file.bytes().get(LENGTH, 0);
        long most = Math.min(MAX_HEADER_BYTES, size - Long.BYTES);
        if (headerBytes < 2 || headerBytes > most) {
            throw CheckpointException.refuse(
                    file.path(), "header length", "2 to " + most, Long.toUnsignedString(headerBytes));
        }
        byte[] json = file.bytes().asSlice(Long.BYTES, headerBytes).toArray(ValueLayout.JAVA_BYTE);
        List<TensorSpan> spans =
                JsonText.parse(file.path(), "header", json, parser -> new Reader(file.path(), parser).tensors());
        long dataOffset = Long.BYTES + headerBytes;
        TensorSpan.requireContiguous(file.path(), spans, 1, size - dataOffset);
        requireAligned(file.path(), spans, dataOffset);
        return new SafetensorsHeader(dataOffset, spans);
    }

    private static void requireAligned(Path file, List<TensorSpan> spans, long dataOffset) {
        for (TensorSpan span : spans) {
            long offset = dataOffset + span.begin();
            if (offset % span.dtype().blockBytes() != 0) {
                throw CheckpointException.refuse(
                        file,
                        "tensor " + span.name(),
                        "a place in the file that is a multiple of "
                                + span.dtype().blockBytes(),
                        offset);
            }
        }
    }

    /** The data part. */
    MemorySegment data(MappedFile file) {
        return file.bytes().asSlice(dataOffset);
    }

    private static Optional<DType> dtype(String name) {
        return switch (name) {
            case "F32" -> Optional.of(DType.F32);
            case "F16" -> Optional.of(DType.F16);
            case "BF16" -> Optional.of(DType.BF16);
            case "I8" -> Optional.of(DType.I8);
            case "I32" -> Optional.of(DType.I32);
            default -> Optional.empty();
        };
    }

    /** Walks through the header's JSON; used once. */
    private record Reader(Path file, JsonParser parser) {
        List<TensorSpan> tensors() {
            require("header", JsonToken.START_OBJECT, "an object");
            var spans = new ArrayList<TensorSpan>();
            while (parser.nextToken() == JsonToken.PROPERTY_NAME) {
                String name = parser.currentName();
                if (name.equals("__metadata__")) {
                    skipMetadata();
                    continue;
                }
                if (spans.size() == MAX_TENSORS) {
                    throw CheckpointException.refuse(file, "header", "at most " + MAX_TENSORS + " tensors", "more");
                }
                spans.add(tensor(name));
            }
            return List.copyOf(spans);
        }

        private void skipMetadata() {
            require("__metadata__", JsonToken.START_OBJECT, "texts by name");
            while (parser.nextToken() == JsonToken.PROPERTY_NAME) {
                require("__metadata__", JsonToken.VALUE_STRING, "texts by name");
            }
        }

        private TensorSpan tensor(String name) {
            String subject = "tensor " + name;
            require(subject, JsonToken.START_OBJECT, "an object");
            Optional<DType> dtype = Optional.empty();
            List<Integer> shape = List.of();
            List<Long> offsets = List.of();
            while (parser.nextToken() == JsonToken.PROPERTY_NAME) {
                switch (parser.currentName()) {
                    case "dtype" -> dtype = Optional.of(readDtype(subject));
                    case "shape" -> shape = readShape(subject);
                    case "data_offsets" -> offsets = integers(subject + " data_offsets");
                    default ->
                        throw CheckpointException.refuse(
                                file, subject, "dtype, shape, data_offsets", parser.currentName());
                }
            }
            if (dtype.isEmpty()) {
                throw CheckpointException.refuse(file, subject, "a dtype", "none");
            }
            if (offsets.size() != 2 || offsets.get(0) > offsets.get(1)) {
                throw CheckpointException.refuse(file, subject, "data_offsets [begin, end]", offsets);
            }
            long bytes = TensorSpan.bytes(file, name, dtype.get(), shape);
            if (offsets.get(1) - offsets.get(0) != bytes) {
                throw CheckpointException.refuse(
                        file,
                        subject,
                        bytes + " bytes for " + dtype.get() + " " + shape,
                        offsets.get(1) - offsets.get(0));
            }
            return new TensorSpan(name, dtype.get(), shape, offsets.get(0), offsets.get(1));
        }

        private DType readDtype(String subject) {
            require(subject + " dtype", JsonToken.VALUE_STRING, "a text");
            String name = parser.getString();
            return dtype(name).orElseThrow(() -> refuseDtype(subject, name));
        }

        private CheckpointException refuseDtype(String subject, String name) {
            String hint = name.startsWith("F8_")
                    ? " (fp8 is not implemented: convert the weights to bfloat16, or take a W8A8 checkpoint of ModelSlim)"
                    : "";
            return CheckpointException.refuse(file, subject, "dtype F32, F16, BF16, I8 or I32" + hint, name);
        }

        private List<Integer> readShape(String subject) {
            var shape = new ArrayList<Integer>();
            for (long extent : integers(subject + " shape")) {
                if (extent > Integer.MAX_VALUE) {
                    throw CheckpointException.refuse(file, subject, "extents below 2^31", extent);
                }
                shape.add((int) extent);
            }
            return List.copyOf(shape);
        }

        private List<Long> integers(String subject) {
            require(subject, JsonToken.START_ARRAY, "a list");
            var integers = new ArrayList<Long>();
            while (parser.nextToken() != JsonToken.END_ARRAY) {
                if (!isInteger() || parser.getLongValue() < 0) {
                    throw CheckpointException.refuse(file, subject, "integers of 0 to 2^63 - 1", parser.getString());
                }
                if (integers.size() == TensorSpan.MAX_EXTENTS) {
                    throw CheckpointException.refuse(file, subject, "at most 4 integers", "more");
                }
                integers.add(parser.getLongValue());
            }
            return List.copyOf(integers);
        }

        private boolean isInteger() {
            return parser.currentToken() == JsonToken.VALUE_NUMBER_INT
                    && parser.getNumberType() != JsonParser.NumberType.BIG_INTEGER;
        }

        private void require(String subject, JsonToken token, String expected) {
            if (parser.nextToken() != token) {
                throw CheckpointException.refuse(file, subject, expected, String.valueOf(parser.currentToken()));
            }
        }
    }
}
