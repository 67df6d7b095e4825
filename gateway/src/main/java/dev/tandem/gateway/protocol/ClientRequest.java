package dev.tandem.gateway.protocol;

import dev.tandem.api.openai.ReplyBuilder.Kind;
import dev.tandem.api.openai.RequestId;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * One request for one exchange: a client's, or a part of a client's that asks for several sequences. Immutable.
 *
 * @param path {@code /v1/completions} or {@code /v1/chat/completions}, the same on every hop
 * @param id what P and D see as {@code X-Request-Id}, or the stem of it
 * @param json the body as it was sent
 * @param headers of the client that go on to both nodes
 */
public record ClientRequest(String path, String id, JsonSpans json, Map<String, String> headers) {
    private Kind kind() {
        return path.endsWith("/chat/completions") ? Kind.CHAT : Kind.COMPLETION;
    }

    /** The id of the reply, as nodes write it. */
    public String replyId() {
        return RequestId.ofReply(kind(), id);
    }

    /** Size of the body, which stands for its tokens. */
    int bytes() {
        return json.bytes().length;
    }

    /** The id under which a node's engine knows the sequence of a hop. */
    String sequenceId(String hopId) {
        return RequestId.ofSequence(kind(), hopId, 0);
    }

    /** Headers of a hop. */
    Map<String, String> headers(String hopId) {
        Map<String, String> all = new LinkedHashMap<>();
        all.put("Content-Type", "application/json");
        all.put("X-Request-Id", hopId);
        all.putAll(headers);
        return all;
    }
}
