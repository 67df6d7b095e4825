package dev.tandem.node.http;

import dev.tandem.api.openai.ApiError;
import dev.tandem.api.openai.CompletionRequest.Prompt;
import dev.tandem.api.server.Exchange;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.function.Supplier;
import tools.jackson.databind.node.ObjectNode;

/** What requests need done with their texts, each on {@link TextWork}'s threads once its length has been checked. Any thread. */
final class RequestTexts {
    /** Bytes of the longest body that its exchange reads itself. */
    private static final int SHORT_BODY = 1 << 16;
    /** Bytes of JSON that are read, and characters that are put into a template, while one character is encoded. */
    private static final int BYTES_PER_CHARACTER = 8;

    private final ServedModel model;
    private final TextWork work;

    RequestTexts(ServedModel model, TextWork work) {
        this.model = model;
        this.work = work;
    }

    /** Reads the body as a request of the kind. */
    <T> T read(Exchange exchange, Function<ObjectNode, T> reader) throws InterruptedException {
        return exchange.body().length <= SHORT_BODY
                ? reader.apply(exchange.json())
                : ofBody(exchange, () -> reader.apply(exchange.json()));
    }

    /** Does work that grows with the body. */
    <T> T ofBody(Exchange exchange, Supplier<T> action) throws InterruptedException {
        return run(exchange, exchange.body().length / BYTES_PER_CHARACTER, action);
    }

    /** The text of a conversation. */
    String render(Exchange exchange, Map<String, Object> templateVariables) throws InterruptedException {
        model.requireLength(templateVariables);
        String text = ofBody(exchange, () -> model.render(templateVariables));
        model.requireLength(text, "messages");
        return text;
    }

    /** Does work with the ids of a text, on the thread that has made them. */
    <T> T encode(Exchange exchange, String text, String field, boolean addsSpecialTokens, Function<int[], T> action)
            throws InterruptedException {
        model.requireLength(text, field);
        return run(exchange, text.length(), () -> action.apply(model.encode(text, addsSpecialTokens)));
    }

    /** Ids of each prompt. */
    List<int[]> encode(Exchange exchange, List<Prompt> prompts, boolean addsSpecialTokens) throws InterruptedException {
        long characters = 0;
        for (Prompt prompt : prompts) {
            if (prompt instanceof Prompt.Text text) {
                model.requireLength(text.text(), "prompt");
                characters += text.text().length();
            }
        }
        Supplier<List<int[]>> all = () -> {
            var ids = new ArrayList<int[]>();
            for (Prompt prompt : prompts) {
                ids.add(ids(prompt, addsSpecialTokens));
            }
            return ids;
        };
        return characters == 0 ? all.get() : run(exchange, characters, all);
    }

    private int[] ids(Prompt prompt, boolean addsSpecialTokens) {
        return switch (prompt) {
            case Prompt.Text text -> nonEmpty(model.encode(text.text(), addsSpecialTokens), "prompt");
            case Prompt.Ids ids -> {
                model.requireIds(ids.ids(), "prompt");
                yield ids.ids().stream().mapToInt(Integer::intValue).toArray();
            }
        };
    }

    /** @throws ApiError 400 when there are no ids */
    static int[] nonEmpty(int[] ids, String field) {
        if (ids.length == 0) {
            throw ApiError.badRequest(field + " has no tokens; at least 1 is needed", field);
        }
        return ids;
    }

    private <T> T run(Exchange exchange, long characters, Supplier<T> action) throws InterruptedException {
        return work.run(characters, exchange::isGone, action);
    }
}
