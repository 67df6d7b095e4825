package dev.tandem.engine.cluster;

import dev.tandem.engine.cluster.channel.BodyReader;
import dev.tandem.engine.cluster.channel.BodyWriter;
import dev.tandem.engine.cluster.channel.FrameException;
import dev.tandem.engine.cluster.channel.FrameKind;
import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.SamplingOptions.Logprob;
import dev.tandem.engine.request.SamplingOptions.TokenLogprobs;
import dev.tandem.engine.request.TokenEvent;
import dev.tandem.engine.request.TokenEvent.Failed;
import dev.tandem.engine.request.TokenEvent.FinishReason;
import dev.tandem.engine.request.TokenEvent.Finished;
import dev.tandem.engine.request.TokenEvent.HandoffUsage;
import dev.tandem.engine.request.TokenEvent.Times;
import dev.tandem.engine.request.TokenEvent.Token;
import dev.tandem.engine.request.TokenEvent.Usage;

/**
 * Events of a token stream between node and head: the stream's number, then the event's fields in the order of its records. Of a failure,
 * kind and message travel, not the cause. Pure.
 */
final class EventCodec {
    private static final int MAX_TEXT_CHARACTERS = 4096;
    private static final int MAX_TEXT_BYTES = 4 * MAX_TEXT_CHARACTERS;
    private static final int MAX_LOGPROBS = 1 << 24;

    private EventCodec() {}

    /** Which frame carries an event. */
    static FrameKind kind(TokenEvent event) {
        return switch (event) {
            case Token token -> FrameKind.TOKEN;
            case Finished finished -> FrameKind.FINISHED;
            case Failed failed -> FrameKind.FAILED;
        };
    }

    static byte[] encode(long stream, TokenEvent event) {
        var writer = new BodyWriter().integer(stream);
        switch (event) {
            case Token token -> writer.integer(token.id()).optional(token.logprobs(), EventCodec::writeLogprobs);
            case Finished finished -> writeFinished(writer, finished);
            case Failed failed ->
                writer.text(failed.cause().kind().name())
                        .text(shortened(String.valueOf(failed.cause().getMessage())));
        }
        return writer.toBytes();
    }

    /** The number at the start of every event. */
    static long readStream(BodyReader reader) throws FrameException {
        return reader.longInteger("stream", 0, Long.MAX_VALUE);
    }

    static Token readToken(BodyReader reader) throws FrameException {
        return new Token(
                reader.integer("token id", 0, Integer.MAX_VALUE),
                reader.optional("has logprobs", EventCodec::readLogprobs));
    }

    static Finished readFinished(BodyReader reader) throws FrameException {
        return new Finished(
                reader.constant("finish reason", FinishReason.class),
                reader.optionalInt("stop token id", Integer.MIN_VALUE, Integer.MAX_VALUE),
                readUsage(reader),
                reader.optional("has ticket", RequestCodec::readTicket));
    }

    static Failed readFailed(BodyReader reader) throws FrameException {
        EngineException.Kind kind = reader.constant("failure kind", EngineException.Kind.class);
        return new Failed(new EngineException(kind, reader.text("failure message", MAX_TEXT_BYTES)));
    }

    private static void writeFinished(BodyWriter writer, Finished finished) {
        Usage usage = finished.usage();
        HandoffUsage handoff = usage.handoff();
        writer.text(finished.reason().name())
                .optional(finished.stopTokenId())
                .integer(usage.promptTokens())
                .integer(usage.outputTokens())
                .integer(usage.cachedTokens())
                .integer(handoff.remoteTokens())
                .integer(handoff.bytes())
                .integer(handoff.nanos())
                .optional(handoff.recomputeReason(), (to, reason) -> to.text(shortened(reason)))
                .integer(usage.times().queuedNs())
                .integer(usage.times().prefillNs())
                .integer(usage.times().decodeNs())
                .optional(finished.ticket(), RequestCodec::writeTicket);
    }

    private static Usage readUsage(BodyReader reader) throws FrameException {
        return new Usage(
                reader.integer("prompt tokens", 0, Integer.MAX_VALUE),
                reader.integer("output tokens", 0, Integer.MAX_VALUE),
                reader.integer("cached tokens", 0, Integer.MAX_VALUE),
                new HandoffUsage(
                        reader.integer("remote tokens", 0, Integer.MAX_VALUE),
                        reader.longInteger("handoff bytes", 0, Long.MAX_VALUE),
                        reader.longInteger("handoff time", 0, Long.MAX_VALUE),
                        reader.optional("was recomputed", it -> it.text("recompute reason", MAX_TEXT_BYTES))),
                new Times(time(reader, "queue time"), time(reader, "prefill time"), time(reader, "decode time")));
    }

    private static long time(BodyReader reader, String field) throws FrameException {
        return reader.longInteger(field, Long.MIN_VALUE, Long.MAX_VALUE);
    }

    private static void writeLogprobs(BodyWriter writer, TokenLogprobs logprobs) {
        writeLogprob(writer, logprobs.chosen());
        writer.list(logprobs.top(), logprobs.top().size(), EventCodec::writeLogprob);
    }

    private static void writeLogprob(BodyWriter writer, Logprob logprob) {
        writer.integer(logprob.tokenId()).number(logprob.logprob()).integer(logprob.rank());
    }

    private static TokenLogprobs readLogprobs(BodyReader reader) throws FrameException {
        return new TokenLogprobs(readLogprob(reader), reader.list("logprobs", MAX_LOGPROBS, EventCodec::readLogprob));
    }

    private static Logprob readLogprob(BodyReader reader) throws FrameException {
        return new Logprob(
                reader.integer("logprob token id", 0, Integer.MAX_VALUE),
                reader.number("logprob"),
                reader.integer("logprob rank", 0, Integer.MAX_VALUE));
    }

    private static String shortened(String text) {
        return text.length() <= MAX_TEXT_CHARACTERS ? text : text.substring(0, MAX_TEXT_CHARACTERS);
    }
}
