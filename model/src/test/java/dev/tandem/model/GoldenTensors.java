package dev.tandem.model;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Float32 and int8 arrays of a golden safetensors file. It reads the file by itself, so that the reader under test does not test itself. */
public final class GoldenTensors {
    private final ByteBuffer file;
    private final JsonNode header;
    private final int dataStart;

    public GoldenTensors(Path path) {
        try {
            file = ByteBuffer.wrap(Files.readAllBytes(path)).order(ByteOrder.LITTLE_ENDIAN);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        int headerBytes = Math.toIntExact(file.getLong(0));
        header = JsonMapper.shared().readTree(new String(file.array(), 8, headerBytes, StandardCharsets.UTF_8));
        dataStart = 8 + headerBytes;
    }

    /** Names that end in {@code end}, without it. */
    public List<String> namesWithout(String end) {
        return header.propertyNames().stream()
                .filter(name -> name.endsWith(end))
                .map(name -> name.substring(0, name.length() - end.length()))
                .toList();
    }

    /** Names that begin with {@code beginning}, without it. */
    public List<String> namesBehind(String beginning) {
        return header.propertyNames().stream()
                .filter(name -> name.startsWith(beginning))
                .map(name -> name.substring(beginning.length()))
                .toList();
    }

    public float[] floats(String name) {
        ByteBuffer data = data(name, "F32");
        var values = new float[data.remaining() / Float.BYTES];
        data.asFloatBuffer().get(values);
        return values;
    }

    public int[] ints(String name) {
        ByteBuffer data = data(name, "I32");
        var values = new int[data.remaining() / Integer.BYTES];
        data.asIntBuffer().get(values);
        return values;
    }

    public byte[] bytes(String name) {
        ByteBuffer data = data(name, "I8");
        var values = new byte[data.remaining()];
        data.get(values);
        return values;
    }

    private ByteBuffer data(String name, String dtype) {
        JsonNode tensor = header.get(name);
        if (tensor == null || !tensor.get("dtype").asString().equals(dtype)) {
            throw new AssertionError("no tensor " + name + " of " + dtype);
        }
        JsonNode offsets = tensor.get("data_offsets");
        int from = offsets.get(0).asInt();
        return file.slice(dataStart + from, offsets.get(1).asInt() - from).order(ByteOrder.LITTLE_ENDIAN);
    }
}
