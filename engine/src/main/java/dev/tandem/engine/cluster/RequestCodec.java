package dev.tandem.engine.cluster;

import dev.tandem.engine.cluster.channel.BodyReader;
import dev.tandem.engine.cluster.channel.BodyWriter;
import dev.tandem.engine.cluster.channel.FrameException;
import dev.tandem.engine.request.ClientId;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.engine.request.Request;
import dev.tandem.engine.request.SamplingOptions;
import dev.tandem.engine.request.SamplingOptions.Filters;
import dev.tandem.engine.request.SamplingOptions.Penalties;
import dev.tandem.engine.request.SamplingOptions.Stop;
import java.time.Duration;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * A request between head and node, field by field in the order of its records; what comes out equals what went in. Whether its values make
 * sense is decided by the engine that runs it. Pure.
 */
final class RequestCodec {
    /** Most tokens of a prompt, and most entries of a list in a request. */
    static final int MAX_TOKENS = 1 << 24;

    private static final int MAX_ID_BYTES = 4096;
    private static final int MAX_TICKET_TEXT_BYTES = 4096;
    private static final int MAX_CLIENT_BYTES = 4 * ClientId.MAX_LENGTH;
    private static final int WITH_CLIENT = 2; // the first version that says whose a request is
    private static final int NONE = 0;
    private static final int LEND = 1;
    private static final int FETCH = 2;
    private static final int PUSH = 3;
    private static final int RECEIVE = 4;

    private RequestCodec() {}

    /** @param version of the connection: a peer of the first one knows no clients */
    static void write(BodyWriter writer, Request request, int version) {
        writer.text(request.id()).integers(request.promptTokenIds());
        writeSampling(writer, request.sampling());
        switch (request.handoff()) {
            case HandoffRole.None none -> writer.integer(NONE);
            case HandoffRole.Lend lend -> writer.integer(LEND);
            case HandoffRole.Fetch fetch -> {
                writer.integer(FETCH);
                writeTicket(writer, fetch.ticket());
            }
            case HandoffRole.Push push -> {
                writer.integer(PUSH);
                writeTicket(writer, push.target());
            }
            case HandoffRole.Receive receive -> {
                writer.integer(RECEIVE);
                writer.text(receive.metaserver());
            }
        }
        writer.integer(nanos(request.deadline()));
        if (version >= WITH_CLIENT) {
            writer.text(request.client().address()).text(request.client().name());
        }
    }

    static Request read(BodyReader reader) throws FrameException {
        return new Request(
                reader.text("request id", MAX_ID_BYTES),
                reader.integers("prompt token ids", MAX_TOKENS),
                readSampling(reader),
                readRole(reader),
                Duration.ofNanos(reader.longInteger("deadline", 0, Long.MAX_VALUE)),
                reader.hasMore() ? readClient(reader) : ClientId.NONE);
    }

    private static ClientId readClient(BodyReader reader) throws FrameException {
        return new ClientId(
                reader.text("client address", MAX_CLIENT_BYTES), reader.text("client name", MAX_CLIENT_BYTES));
    }

    /** A duration beyond 292 years counts as 292 years. */
    private static long nanos(Duration duration) {
        return duration.compareTo(Duration.ofNanos(Long.MAX_VALUE)) < 0 ? duration.toNanos() : Long.MAX_VALUE;
    }

    static void writeTicket(BodyWriter writer, HandoffTicket ticket) {
        writer.text(ticket.engineId())
                .text(ticket.host())
                .integer(ticket.port())
                .longIntegers(ticket.blockIds())
                .integer(ticket.lastTokenId())
                .object(ticket.further());
    }

    static HandoffTicket readTicket(BodyReader reader) throws FrameException {
        return new HandoffTicket(
                reader.text("ticket engine id", MAX_TICKET_TEXT_BYTES),
                reader.text("ticket host", MAX_TICKET_TEXT_BYTES),
                reader.integer("ticket port", 0, 65_535),
                reader.longIntegers("ticket block ids", HandoffTicket.MAX_BLOCKS),
                reader.integer("ticket last token id", Integer.MIN_VALUE, Integer.MAX_VALUE),
                reader.object("further ticket keys"));
    }

    private static HandoffRole readRole(BodyReader reader) throws FrameException {
        return switch (reader.integer("handoff role", NONE, RECEIVE)) {
            case NONE -> new HandoffRole.None();
            case LEND -> new HandoffRole.Lend();
            case FETCH -> new HandoffRole.Fetch(readTicket(reader));
            case PUSH -> new HandoffRole.Push(readTicket(reader));
            default -> new HandoffRole.Receive(reader.text("metaserver", MAX_TICKET_TEXT_BYTES));
        };
    }

    private static void writeSampling(BodyWriter writer, SamplingOptions options) {
        Filters filters = options.filters();
        Penalties penalties = options.penalties();
        Map<Integer, Float> bias = options.logitBias();
        Set<Integer> stops = options.stop().tokenIds();
        writer.integer(options.maxTokens())
                .integer(options.minTokens())
                .number(filters.temperature())
                .number(filters.topP())
                .integer(filters.topK())
                .number(filters.minP())
                .number(penalties.repetition())
                .number(penalties.presence())
                .number(penalties.frequency())
                .list(
                        bias.entrySet(),
                        bias.size(),
                        (to, entry) -> to.integer(entry.getKey()).number(entry.getValue()))
                .optional(options.seed())
                .list(stops, stops.size(), (to, id) -> to.integer(id))
                .flag(options.stop().ignoresEndOfText())
                .optional(options.topLogprobs());
    }

    private static SamplingOptions readSampling(BodyReader reader) throws FrameException {
        return new SamplingOptions(
                whole(reader, "max tokens"),
                whole(reader, "min tokens"),
                new Filters(
                        reader.number("temperature"),
                        reader.number("top p"),
                        whole(reader, "top k"),
                        reader.number("min p")),
                new Penalties(
                        reader.number("repetition penalty"),
                        reader.number("presence penalty"),
                        reader.number("frequency penalty")),
                readBias(reader),
                reader.optionalLong("seed"),
                new Stop(
                        new LinkedHashSet<>(
                                reader.list("stop token ids", MAX_TOKENS, each -> whole(each, "stop token id"))),
                        reader.flag("ignores end of text")),
                reader.optionalInt("top logprobs", Integer.MIN_VALUE, Integer.MAX_VALUE));
    }

    private static Map<Integer, Float> readBias(BodyReader reader) throws FrameException {
        List<Map.Entry<Integer, Float>> entries = reader.list(
                "logit bias", MAX_TOKENS, each -> Map.entry(whole(each, "logit bias id"), each.number("logit bias")));
        var bias = new HashMap<Integer, Float>();
        entries.forEach(entry -> bias.put(entry.getKey(), entry.getValue()));
        return bias;
    }

    private static int whole(BodyReader reader, String field) throws FrameException {
        return reader.integer(field, Integer.MIN_VALUE, Integer.MAX_VALUE);
    }
}
