package dev.tandem.node.http;

import dev.tandem.api.openai.ApiError;
import dev.tandem.api.openai.ChatRequest;
import dev.tandem.api.openai.CompletionRequest;
import dev.tandem.api.openai.CompletionRequest.Prompt;
import dev.tandem.api.openai.GenerationFields;
import dev.tandem.api.openai.ReplyBuilder.Kind;
import dev.tandem.api.openai.RequestId;
import dev.tandem.api.server.Exchange;
import dev.tandem.engine.request.HandoffRole;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicInteger;

/** {@code POST /v1/completions} and {@code POST /v1/chat/completions}. */
final class GenerationEndpoints {
    private final ServedModel model;
    private final Generation generation;
    private final HandoffAdmission exchanges;
    private final int mostSequences;
    /** Requests being served: written by exchange threads, read by {@code /load}. */
    private final AtomicInteger served = new AtomicInteger();

    /**
     * @param exchanges which parts in prefill/decode exchanges requests may ask for
     * @param mostSequences sequences that one request may stand for: no more than may wait
     */
    GenerationEndpoints(ServedModel model, Generation generation, HandoffAdmission exchanges, int mostSequences) {
        this.mostSequences = mostSequences;
        this.model = model;
        this.generation = generation;
        this.exchanges = exchanges;
    }

    /** Requests being served. */
    int served() {
        return served.get();
    }

    void completions(Exchange exchange) throws InterruptedException {
        CompletionRequest request = CompletionRequest.read(exchange.json());
        model.requireName(request.model());
        long startNs = System.nanoTime();
        var prompts = new ArrayList<int[]>();
        for (Prompt prompt : request.prompts()) {
            prompts.add(ids(prompt, request.addsSpecialTokens()));
        }
        serve(exchange, Kind.COMPLETION, prompts, startNs, request.generation());
    }

    void chat(Exchange exchange) throws InterruptedException {
        ChatRequest request = ChatRequest.read(exchange.json());
        model.requireName(request.model());
        long startNs = System.nanoTime();
        String text = model.render(request.templateVariables());
        List<int[]> prompts = List.of(nonEmpty(model.encode(text, request.addsSpecialTokens()), "messages"));
        serve(exchange, Kind.CHAT, prompts, startNs, request.generation());
    }

    private void serve(Exchange exchange, Kind kind, List<int[]> prompts, long startNs, GenerationFields fields)
            throws InterruptedException {
        long tokenizeNanos = System.nanoTime() - startNs;
        if ((long) prompts.size() * fields.output().choices() > mostSequences) {
            throw ApiError.badRequest(
                    prompts.size() + " prompts with n " + fields.output().choices() + " are more sequences than the "
                            + mostSequences + " that may wait at once",
                    "prompt");
        }
        HandoffRole handoff = exchanges.of(fields, prompts.size(), exchange.peerAddress());
        String requestId = requestId(exchange);
        served.incrementAndGet();
        try {
            generation.run(
                    exchange,
                    new Generation.Job(kind, requestId, prompts, tokenizeNanos, fields, handoff, pinnedRank(exchange)));
        } finally {
            served.decrementAndGet();
        }
    }

    /** The client's {@code X-Request-Id} when it is safe to repeat, else a fresh one. */
    private static String requestId(Exchange exchange) {
        return exchange.header("x-request-id")
                .filter(RequestId::isSafe)
                .orElseGet(() -> UUID.randomUUID().toString().replace("-", ""));
    }

    /** As vLLM: {@code X-data-parallel-rank} pins a request to a rank. */
    private static OptionalInt pinnedRank(Exchange exchange) {
        Optional<String> rank = exchange.header("x-data-parallel-rank");
        if (rank.isEmpty()) {
            return OptionalInt.empty();
        }
        try {
            return OptionalInt.of(Integer.parseInt(rank.get().strip()));
        } catch (NumberFormatException e) {
            throw ApiError.badRequest(
                    "X-data-parallel-rank \"" + rank.get() + "\" is not a whole number", "X-data-parallel-rank");
        }
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

    private static int[] nonEmpty(int[] ids, String field) {
        if (ids.length == 0) {
            throw ApiError.badRequest(field + " has no tokens; at least 1 is needed", field);
        }
        return ids;
    }
}
