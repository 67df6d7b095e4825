package dev.tandem.quantize;

import dev.tandem.kernel.DType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * One safetensors file: its name, what it begins with, and where each tensor goes. Wide values come first, so that each tensor lies at a
 * multiple of its value size.
 *
 * <pre>
 *   0          8                     8 + n                              bytes
 *   | u64: n   | JSON and blanks, n  | tensors, one after the other     |
 * </pre>
 *
 * @param file name in the folder
 * @param header its length and JSON
 * @param places by tensor name, in the file's order
 */
record ShardPlan(String file, ByteBuffer header, SequencedMap<String, Place> places) {
    private static final int HEADER_ALIGNMENT = 8;

    /**
     * Where a tensor goes.
     *
     * @param offset first byte in the file
     * @param bytes how many
     */
    record Place(long offset, long bytes) {}

    static ShardPlan of(String file, List<OutputTensor> tensors) {
        List<OutputTensor> ordered = tensors.stream()
                .sorted(Comparator.comparingInt(
                        (OutputTensor tensor) -> -tensor.dtype().blockBytes()))
                .toList();
        ObjectNode json = JsonMapper.shared().createObjectNode();
        json.putObject("__metadata__").put("format", "pt");
        var relative = new LinkedHashMap<String, Place>();
        long end = 0;
        for (OutputTensor tensor : ordered) {
            ObjectNode entry = json.putObject(tensor.name()).put("dtype", name(tensor.dtype()));
            tensor.shape().forEach(entry.putArray("shape")::add);
            entry.putArray("data_offsets").add(end).add(end + tensor.bytes());
            relative.put(tensor.name(), new Place(end, tensor.bytes()));
            end += tensor.bytes();
        }
        ByteBuffer header = header(json.toString());
        var places = new LinkedHashMap<String, Place>();
        relative.forEach((name, place) -> places.put(name, new Place(header.limit() + place.offset, place.bytes)));
        return new ShardPlan(file, header, Collections.unmodifiableSequencedMap(places));
    }

    /** Safetensors' name of a type. */
    private static String name(DType dtype) {
        return switch (dtype) {
            case F32, F16, BF16, I8, I32 -> dtype.name();
            case Q8_0, Q4_0, Q4_1 -> throw new IllegalArgumentException("safetensors has no " + dtype);
        };
    }

    private static ByteBuffer header(String json) {
        byte[] text = json.getBytes(StandardCharsets.UTF_8);
        int padded = (text.length + HEADER_ALIGNMENT - 1) / HEADER_ALIGNMENT * HEADER_ALIGNMENT;
        ByteBuffer header = ByteBuffer.allocate(Long.BYTES + padded).order(ByteOrder.LITTLE_ENDIAN);
        header.putLong(padded).put(text);
        while (header.hasRemaining()) {
            header.put((byte) ' ');
        }
        return header.flip().asReadOnlyBuffer();
    }

    /** Bytes of the whole file. */
    long bytes() {
        return header.limit() + dataBytes();
    }

    /** Bytes of the tensors. */
    long dataBytes() {
        return places.values().stream().mapToLong(Place::bytes).sum();
    }
}
