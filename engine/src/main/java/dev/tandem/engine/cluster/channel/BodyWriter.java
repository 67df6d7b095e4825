package dev.tandem.engine.cluster.channel;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.msgpack.core.MessageBufferPacker;
import org.msgpack.core.MessagePack;

/** Writes the body of a frame as a sequence of msgpack values, without names: {@link BodyReader} reads them in the same order. */
public final class BodyWriter {
    private final MessageBufferPacker packer = MessagePack.newDefaultBufferPacker();

    /** One value. */
    private interface Packing {
        void to(MessageBufferPacker packer) throws IOException;
    }

    public BodyWriter integer(long value) {
        return pack(to -> to.packLong(value));
    }

    public BodyWriter flag(boolean value) {
        return pack(to -> to.packBoolean(value));
    }

    /** The same 32 bits come out. */
    public BodyWriter number(float value) {
        return pack(to -> to.packFloat(value));
    }

    public BodyWriter text(String value) {
        byte[] utf8 = value.getBytes(StandardCharsets.UTF_8);
        return pack(to -> to.packRawStringHeader(utf8.length).writePayload(utf8));
    }

    public BodyWriter bytes(byte[] value) {
        return pack(to -> to.packBinaryHeader(value.length).writePayload(value));
    }

    /** Values one behind the other, after their number. */
    public BodyWriter integers(int[] values) {
        return pack(to -> {
            to.packArrayHeader(values.length);
            for (int value : values) {
                to.packInt(value);
            }
        });
    }

    /** Values one behind the other, after their number. */
    public BodyWriter longIntegers(long[] values) {
        return pack(to -> {
            to.packArrayHeader(values.length);
            for (long value : values) {
                to.packLong(value);
            }
        });
    }

    /** Things one behind the other, after their number. */
    public <T> BodyWriter list(Iterable<T> values, int count, BiConsumer<BodyWriter, T> each) {
        pack(to -> to.packArrayHeader(count));
        values.forEach(value -> each.accept(this, value));
        return this;
    }

    /** Whether it is there, then the thing. */
    public <T> BodyWriter optional(Optional<T> value, BiConsumer<BodyWriter, T> present) {
        flag(value.isPresent());
        value.ifPresent(it -> present.accept(this, it));
        return this;
    }

    public BodyWriter optional(OptionalLong value) {
        flag(value.isPresent());
        value.ifPresent(this::integer);
        return this;
    }

    public BodyWriter optional(OptionalInt value) {
        flag(value.isPresent());
        value.ifPresent(this::integer);
        return this;
    }

    /** Lets a codec go on where this writer stands. */
    public BodyWriter with(Consumer<BodyWriter> part) {
        part.accept(this);
        return this;
    }

    /**
     * A JSON value: null, boolean, number, string, list or map with string keys.
     *
     * @throws IllegalArgumentException for anything else
     */
    public BodyWriter plain(@Nullable Object value) {
        pack(to -> PlainValues.pack(to, value));
        return this;
    }

    /** A JSON object. */
    public BodyWriter object(Map<String, ?> value) {
        return plain(value);
    }

    /** Everything that was written. */
    public byte[] toBytes() {
        return packer.toByteArray();
    }

    private BodyWriter pack(Packing packing) {
        try {
            packing.to(packer);
            return this;
        } catch (IOException e) {
            throw new UncheckedIOException("packing into memory failed", e);
        }
    }
}
