package dev.tandem.model;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Float32 arrays of a golden safetensors file. Reads on its own, so that the reader under test does not test itself. */
final class GoldenTensors {
    private final ByteBuffer file;
    private final JsonNode header;
    private final int dataStart;

    GoldenTensors(Path path) {
        try {
            file = ByteBuffer.wrap(Files.readAllBytes(path)).order(ByteOrder.LITTLE_ENDIAN);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        int headerBytes = Math.toIntExact(file.getLong(0));
        header = JsonMapper.shared().readTree(new String(file.array(), 8, headerBytes, StandardCharsets.UTF_8));
        dataStart = 8 + headerBytes;
    }

    float[] floats(String name) {
        JsonNode tensor = header.get(name);
        if (tensor == null || !tensor.get("dtype").asString().equals("F32")) {
            throw new AssertionError("no float32 tensor " + name);
        }
        int from = tensor.get("data_offsets").get(0).asInt();
        int to = tensor.get("data_offsets").get(1).asInt();
        var values = new float[(to - from) / Float.BYTES];
        for (int i = 0; i < values.length; i++) {
            values[i] = file.getFloat(dataStart + from + i * Float.BYTES);
        }
        return values;
    }
}
