package dev.tandem.ops.simulate.gateway;

import dev.tandem.api.StrictJson;
import dev.tandem.api.openai.ApiError;
import dev.tandem.api.openai.ChunkTemplate;
import dev.tandem.api.openai.GenerationFields;
import dev.tandem.api.openai.ReplyBuilder;
import dev.tandem.api.openai.ReplyBuilder.Kind;
import dev.tandem.api.openai.ReplyPiece;
import dev.tandem.api.openai.ReplyPiece.Ending;
import dev.tandem.api.openai.ReplyUsage;
import dev.tandem.api.openai.RequestId;
import dev.tandem.api.sse.SseWriter;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A node's answer to one request, written as a node writes it: whole, or as events, which are cut into pieces anywhere. Why a choice ended
 * ({@code stop_reason}) tells the client which run of the node it was.
 */
final class NodeAnswer {
    private static final String RECOMPUTED = "x-tandem-recomputed";

    private final HttpNode node;
    private final NodeRequest request;
    private final ReplyBuilder builder;
    private final ChunkTemplate chunks;
    private final StringBuilder text = new StringBuilder(); // of a whole answer, so far
    private int tokens;
    private boolean isBegun;

    NodeAnswer(HttpNode node, NodeRequest request) {
        this.node = node;
        this.request = request;
        this.builder = new ReplyBuilder(Kind.COMPLETION, RequestId.ofReply(Kind.COMPLETION, request.id()), 0, "m");
        this.chunks = builder.chunks(0);
    }

    /** Sends the head of a stream, which waits for the first token otherwise. */
    void begin() {
        if (request.stream().isPresent() && !isBegun) {
            isBegun = true;
            request.exchange().start(200, "text/event-stream");
        }
    }

    /** One more token. */
    void add(String token) {
        tokens++;
        if (request.stream().isPresent()) {
            begin();
            send(chunks.event(piece(token, Optional.empty()), Optional.empty()));
        } else {
            text.append(token);
        }
    }

    /**
     * All tokens were told.
     *
     * @param reason why there are no more: {@code stop} or {@code length}
     * @param run of the node, as {@link NodeRuns} counts them
     * @param recomputed why the node has computed the prompt although it was to get it
     * @param params of a ticket
     */
    void finish(String reason, int run, Optional<String> recomputed, Optional<Map<String, Object>> params) {
        Optional<Ending> ending = Optional.of(new Ending(reason, Optional.of(run)));
        var usage = new ReplyUsage(1, tokens, 0, Map.of());
        if (request.stream().isEmpty()) {
            recomputed.ifPresent(why -> request.exchange().responseHeader(RECOMPUTED, why));
            byte[] whole = StrictJson.bytes(
                    builder.whole(List.of(piece(text.toString(), ending)), usage, Optional.empty(), params));
            request.exchange().respond(200, "application/json", whole);
            return;
        }
        begin();
        send(chunks.event(piece("", ending), Optional.empty()));
        if (request.stream().filter(GenerationFields.Stream::includesUsage).isPresent()) {
            send(SseWriter.event(StrictJson.bytes(builder.usageChunk(usage))));
        }
        send(SseWriter.done());
        recomputed.ifPresent(why -> request.exchange().responseTrailer(RECOMPUTED, why));
        request.exchange().end();
    }

    /** Ends a stream without its end. */
    void breakOff(Optional<ApiError> error, boolean isDone) {
        begin();
        error.ifPresent(told -> send(SseWriter.event(StrictJson.bytes(told.toJson()))));
        if (isDone) {
            send(SseWriter.done());
        }
        request.exchange().end();
    }

    private static ReplyPiece piece(String text, Optional<Ending> ending) {
        return new ReplyPiece(0, text, Optional.empty(), Optional.empty(), ending);
    }

    private void send(byte[] event) {
        int most = node.traits().pieceBytes();
        for (int from = 0; from < event.length; ) {
            int length = Math.min(event.length - from, 1 + node.random().nextInt(most));
            request.exchange().send(Arrays.copyOfRange(event, from, from + length));
            from += length;
        }
    }
}
