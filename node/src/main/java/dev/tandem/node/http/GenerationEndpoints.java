package dev.tandem.node.http;

import dev.tandem.api.openai.ApiError;
import dev.tandem.api.openai.ChatRequest;
import dev.tandem.api.openai.CompletionRequest;
import dev.tandem.api.openai.GenerationFields;
import dev.tandem.api.openai.ReplyBuilder.Kind;
import dev.tandem.api.openai.RequestId;
import dev.tandem.api.server.Exchange;
import dev.tandem.engine.request.ClientId;
import dev.tandem.engine.request.HandoffRole;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicInteger;

/** {@code POST /v1/completions} and {@code POST /v1/chat/completions}. */
final class GenerationEndpoints {
    /** Ids of prompts in one reply. */
    private static final int MAX_RETURNED_IDS = 1 << 22;

    private final ServedModel model;
    private final RequestTexts texts;
    private final Generation generation;
    private final HandoffAdmission exchanges;
    private final int mostSequences;
    /** Requests being served: written by exchange threads, read by {@code /load}. */
    private final AtomicInteger served = new AtomicInteger();

    /**
     * @param exchanges which parts in prefill/decode exchanges requests may ask for
     * @param mostSequences sequences that one request may stand for: no more than may wait
     */
    GenerationEndpoints(
            ServedModel model,
            RequestTexts texts,
            Generation generation,
            HandoffAdmission exchanges,
            int mostSequences) {
        this.texts = texts;
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
        CompletionRequest request = texts.read(exchange, CompletionRequest::read);
        model.requireName(request.model());
        long startNs = System.nanoTime();
        List<int[]> prompts = texts.encode(exchange, request.prompts(), request.addsSpecialTokens());
        serve(exchange, Kind.COMPLETION, prompts, startNs, request.generation());
    }

    void chat(Exchange exchange) throws InterruptedException {
        ChatRequest request = texts.read(exchange, ChatRequest::read);
        model.requireName(request.model());
        long startNs = System.nanoTime();
        String text = texts.render(exchange, request.templateVariables());
        int[] prompt = texts.encode(
                exchange, text, "messages", request.addsSpecialTokens(), ids -> RequestTexts.nonEmpty(ids, "messages"));
        serve(exchange, Kind.CHAT, List.of(prompt), startNs, request.generation());
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
        requireReturnable(prompts, fields);
        HandoffRole handoff = exchanges.of(fields, prompts.size(), exchange.peerAddress());
        String requestId = requestId(exchange);
        served.incrementAndGet();
        try {
            generation.run(
                    exchange,
                    new Generation.Job(
                            kind,
                            requestId,
                            prompts,
                            tokenizeNanos,
                            fields,
                            handoff,
                            pinnedRank(exchange),
                            client(exchange)));
        } finally {
            served.decrementAndGet();
        }
    }

    /** Each choice repeats the ids of its prompt: a short body may ask for a reply without end. */
    private static void requireReturnable(List<int[]> prompts, GenerationFields fields) {
        long ids = 0;
        for (int[] prompt : prompts) {
            ids += (long) prompt.length * fields.output().choices();
        }
        if (fields.output().tokenIds().areReturned() && ids > MAX_RETURNED_IDS) {
            throw ApiError.badRequest(
                    "return_token_ids with n " + fields.output().choices() + " asks for " + ids
                            + " ids of prompts, more than " + MAX_RETURNED_IDS,
                    "return_token_ids");
        }
    }

    /** The client's {@code X-Request-Id} when it is safe to repeat, else a fresh one. */
    private static String requestId(Exchange exchange) {
        return exchange.header("x-request-id")
                .filter(RequestId::isSafe)
                .orElseGet(() -> UUID.randomUUID().toString().replace("-", ""));
    }

    /** A gateway says whom it asks for; anybody may say so, and shares what its address has by the names that it gives. */
    private static ClientId client(Exchange exchange) {
        return new ClientId(
                exchange.peerHost(), exchange.header("x-tandem-client").orElse(exchange.client()));
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
}
