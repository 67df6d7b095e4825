package dev.tandem.node.http;

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

    private final ServedModel model;

    TextEndpoints(ServedModel model) {
        this.model = model;
    }

    void tokenize(Exchange exchange) {
        TokenizeRequest request = TokenizeRequest.read(exchange.json());
        model.requireName(request.model());
        String text = switch (request.text()) {
            case Source.PlainText plain -> plain.text();
            case Source.Conversation conversation -> model.render(conversation.templateVariables());
        };
        int[] ids = model.encode(text, request.addsSpecialTokens());
        ObjectNode reply = JsonNodeFactory.instance.objectNode();
        reply.put("count", ids.length);
        reply.put("max_model_len", model.limits().maxModelLength());
        ArrayNode tokens = reply.putArray("tokens");
        for (int id : ids) {
            tokens.add(id);
        }
        if (request.returnsTokenTexts()) {
            ArrayNode texts = reply.putArray("token_strs");
            for (int id : ids) {
                texts.add(model.tokenizer().tokenText(id).orElse(""));
            }
        } else {
            reply.putNull("token_strs");
        }
        exchange.respondJson(200, reply);
    }

    void detokenize(Exchange exchange) {
        var fields = new Fields(exchange.json());
        model.requireName(fields.string("model"));
        if (fields.node("tokens").isEmpty()) {
            throw fields.invalid("tokens", "tokens is missing");
        }
        List<Integer> ids = fields.tokenIds("tokens", MAX_IDS);
        model.requireIds(ids, "tokens", model.tokenizer().vocabularySize());
        String text = model.tokenizer()
                .decode(ids.stream().mapToInt(Integer::intValue).toArray(), false);
        exchange.respondJson(200, JsonNodeFactory.instance.objectNode().put("prompt", text));
    }
}
