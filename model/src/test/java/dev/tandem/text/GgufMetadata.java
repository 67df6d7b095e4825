package dev.tandem.text;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The key-value part of a GGUF file, for tests only: {@code text} does not know the package that reads checkpoints. */
final class GgufMetadata {
    private final ByteBuffer bytes;

    private GgufMetadata(ByteBuffer bytes) {
        this.bytes = bytes;
    }

    static Map<String, Object> read(Path file) {
        try (FileChannel channel = FileChannel.open(file)) {
            ByteBuffer bytes = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size());
            return new GgufMetadata(bytes.order(ByteOrder.LITTLE_ENDIAN)).entries();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private Map<String, Object> entries() {
        bytes.position(16); // magic, version, tensor count
        long count = bytes.getLong();
        Map<String, Object> entries = new HashMap<>();
        for (long i = 0; i < count; i++) {
            String key = string();
            entries.put(key, value(bytes.getInt()));
        }
        return entries;
    }

    private Object value(int type) {
        return switch (type) {
            case 0, 1 -> (int) bytes.get();
            case 2, 3 -> (int) bytes.getShort();
            case 4, 5 -> bytes.getInt();
            case 6 -> bytes.getFloat();
            case 7 -> bytes.get() != 0;
            case 8 -> string();
            case 9 -> list();
            case 10, 11 -> bytes.getLong();
            case 12 -> bytes.getDouble();
            default -> throw new IllegalStateException("GGUF value type " + type);
        };
    }

    private List<Object> list() {
        int type = bytes.getInt();
        long count = bytes.getLong();
        List<Object> values = new ArrayList<>();
        for (long i = 0; i < count; i++) {
            values.add(value(type));
        }
        return values;
    }

    private String string() {
        byte[] text = new byte[Math.toIntExact(bytes.getLong())];
        bytes.get(text);
        return new String(text, StandardCharsets.UTF_8);
    }
}
