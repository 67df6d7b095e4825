package dev.tandem.engine.cluster;

import dev.tandem.engine.EngineCounter;
import dev.tandem.engine.EngineStatus;
import dev.tandem.engine.EngineStatus.Blocks;
import dev.tandem.engine.EngineStatus.Load;
import dev.tandem.engine.cluster.channel.BodyReader;
import dev.tandem.engine.cluster.channel.BodyWriter;
import dev.tandem.engine.cluster.channel.FrameException;
import java.util.Collections;
import java.util.EnumMap;
import java.util.Map;

/**
 * The state of one rank between node and head. Counters go by name: those that only one side knows are left out, since versions of Tandem
 * may differ. Pure.
 */
final class StatusCodec {
    private static final int MAX_TEXT_CHARACTERS = 4096;
    private static final int MAX_COUNTERS = 4096;
    private static final int MAX_NAME_BYTES = 128;

    /** One counter on the wire. */
    private record Count(String name, long value) {}

    private StatusCodec() {}

    static byte[] encode(int dpRank, EngineStatus status) {
        Load load = status.load();
        Blocks blocks = status.blocks();
        return new BodyWriter()
                .integer(dpRank)
                .optional(
                        status.failure(),
                        (to, failure) -> to.text(failure.substring(0, Math.min(failure.length(), MAX_TEXT_CHARACTERS))))
                .integer(load.waiting())
                .integer(load.running())
                .integer(load.lent())
                .integer(load.awaitingKv())
                .integer(blocks.total())
                .integer(blocks.free())
                .integer(blocks.cached())
                .integer(blocks.lent())
                .list(
                        status.counters().entrySet(),
                        status.counters().size(),
                        (to, entry) -> to.text(entry.getKey().name()).integer(entry.getValue()))
                .toBytes();
    }

    static int readRank(BodyReader reader) throws FrameException {
        return reader.integer("data-parallel rank", 0, ParallelLayout.MAX_SIZE);
    }

    static EngineStatus read(BodyReader reader) throws FrameException {
        return new EngineStatus(
                reader.optional("has failed", it -> it.text("failure", 4 * MAX_TEXT_CHARACTERS)),
                new Load(
                        count(reader, "waiting"),
                        count(reader, "running"),
                        count(reader, "lent"),
                        count(reader, "awaiting KV")),
                new Blocks(
                        count(reader, "blocks"),
                        count(reader, "free blocks"),
                        count(reader, "cached blocks"),
                        count(reader, "lent blocks")),
                readCounters(reader));
    }

    private static Map<EngineCounter, Long> readCounters(BodyReader reader) throws FrameException {
        var counters = new EnumMap<EngineCounter, Long>(EngineCounter.class);
        for (EngineCounter counter : EngineCounter.values()) {
            counters.put(counter, 0L);
        }
        var counts = reader.list(
                "counters",
                MAX_COUNTERS,
                each -> new Count(
                        each.text("counter", MAX_NAME_BYTES),
                        each.longInteger("count", Long.MIN_VALUE, Long.MAX_VALUE)));
        for (Count count : counts) {
            for (EngineCounter counter : EngineCounter.values()) {
                if (counter.name().equals(count.name())) {
                    counters.put(counter, count.value());
                }
            }
        }
        return Collections.unmodifiableMap(counters);
    }

    private static int count(BodyReader reader, String field) throws FrameException {
        return reader.integer(field, 0, Integer.MAX_VALUE);
    }
}
