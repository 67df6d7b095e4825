package dev.tandem.node.http;

import dev.tandem.api.StrictJson;
import dev.tandem.api.openai.ApiError;
import dev.tandem.api.openai.Fields;
import dev.tandem.api.openai.TokenizeRequest;
import dev.tandem.api.openai.TokenizeRequest.Source;
import dev.tandem.api.server.Exchange;
import java.util.List;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** {@code POST /tokenize} and {@code POST /detokenize}, as in vLLM. */
final class TextEndpoints {
    private static final int MAX_IDS = 1 << 20;
    /** Longest text of a reply: a token may be long, and an id is short. */
    private static final int MAX_TEXT_BYTES = 1 << 23;

    private static final String JSON = "application/json";

    private final ServedModel model;
    private final RequestTexts texts;

    TextEndpoints(ServedModel model, RequestTexts texts) {
        this.model = model;
        this.texts = texts;
    }

    void tokenize(Exchange exchange) throws InterruptedException {
        TokenizeRequest request = texts.read(exchange, TokenizeRequest::read);
        model.requireName(request.model());
        String field = request.text() instanceof Source.PlainText ? "prompt" : "messages";
        String text = switch (request.text()) {
            case Source.PlainText plain -> plain.text();
            case Source.Conversation conversation -> texts.render(exchange, conversation.templateVariables());
        };
        byte[] reply = texts.encode(
                exchange, text, field, request.addsSpecialTokens(), ids -> reply(ids, request.returnsTokenTexts()));
        exchange.respond(200, JSON, reply);
    }

    private byte[] reply(int[] ids, boolean withTexts) {
        ObjectNode reply = JsonNodeFactory.instance.objectNode();
        reply.put("count", ids.length);
        reply.put("max_model_len", model.limits().maxModelLength());
        ArrayNode tokens = reply.putArray("tokens");
        for (int id : ids) {
            tokens.add(id);
        }
        if (withTexts) {
            ArrayNode texts = reply.putArray("token_strs");
            for (int id : ids) {
                texts.add(model.tokenizer().tokenText(id).orElse(""));
            }
        } else {
            reply.putNull("token_strs");
        }
        return StrictJson.bytes(reply);
    }

    void detokenize(Exchange exchange) throws InterruptedException {
        exchange.respond(200, JSON, texts.ofBody(exchange, () -> decoded(new Fields(exchange.json()))));
    }

    private byte[] decoded(Fields fields) {
        model.requireName(fields.string("model"));
        if (fields.node("tokens").isEmpty()) {
            throw fields.invalid("tokens", "tokens is missing");
        }
        List<Integer> tokens = fields.tokenIds("tokens", MAX_IDS);
        model.requireIds(tokens, "tokens", model.tokenizer().vocabularySize());
        int[] ids = tokens.stream().mapToInt(Integer::intValue).toArray();
        long bytes = model.tokenizer().byteCount(ids);
        if (bytes > MAX_TEXT_BYTES) {
            throw ApiError.badRequest(
                    "tokens stand for " + bytes + " bytes of text, more than " + MAX_TEXT_BYTES, "tokens");
        }
        String text = model.tokenizer().decode(ids, false);
        return StrictJson.bytes(JsonNodeFactory.instance.objectNode().put("prompt", text));
    }
}
