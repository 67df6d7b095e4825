package dev.tandem.node;

import dev.tandem.api.Exchange;
import dev.tandem.api.openai.ApiError;
import dev.tandem.api.openai.ChatRequest;
import dev.tandem.api.openai.CompletionRequest;
import dev.tandem.api.openai.CompletionRequest.Prompt;
import dev.tandem.api.openai.GenerationFields;
import dev.tandem.api.openai.ReplyBuilder.Kind;
import dev.tandem.engine.request.HandoffParams;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.node.flags.KvTransferConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.atomic.AtomicInteger;

/** {@code POST /v1/completions} and {@code POST /v1/chat/completions}. */
final class GenerationEndpoints {
    private final ServedModel model;
    private final Generation generation;
    private final Optional<KvTransferConfig.Role> role;
    private final int mostSequences;
    /** Requests being served: written by exchange threads, read by {@code /load}. */
    private final AtomicInteger served = new AtomicInteger();

    /** @param mostSequences sequences that one request may stand for: no more than may wait */
    GenerationEndpoints(
            ServedModel model, Generation generation, Optional<KvTransferConfig.Role> role, int mostSequences) {
        this.mostSequences = mostSequences;
        this.model = model;
        this.generation = generation;
        this.role = role;
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
        HandoffRole handoff = handoff(fields, prompts.size());
        String requestId = RequestIds.of(exchange.header("x-request-id"));
        served.incrementAndGet();
        try {
            var input = new Generation.Input(prompts, tokenizeNanos);
            var placement = new Generation.Placement(handoff, pinnedRank(exchange));
            generation.run(exchange, new Generation.Job(kind, requestId, input, fields, placement));
        } finally {
            served.decrementAndGet();
        }
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

    private HandoffRole handoff(GenerationFields fields, int prompts) {
        if (fields.kvTransferParams().isEmpty()) {
            return new HandoffRole.None();
        }
        HandoffRole asked;
        try {
            asked = HandoffParams.parse(fields.kvTransferParams().get());
        } catch (IllegalArgumentException e) {
            throw ApiError.badRequest(String.valueOf(e.getMessage()), "kv_transfer_params");
        }
        boolean isAllowed = switch (asked) {
            case HandoffRole.None none -> true;
            case HandoffRole.Lend lend ->
                role.filter(r -> r != KvTransferConfig.Role.KV_CONSUMER).isPresent();
            case HandoffRole.Fetch fetch ->
                role.filter(r -> r != KvTransferConfig.Role.KV_PRODUCER).isPresent();
        };
        if (!isAllowed) {
            throw ApiError.badRequest(
                    "kv_transfer_params asks for "
                            + asked.getClass().getSimpleName().toLowerCase(java.util.Locale.ROOT)
                            + ", but this node runs "
                            + role.map(r -> "with kv_role " + r.name().toLowerCase(java.util.Locale.ROOT))
                                    .orElse("without --kv-transfer-config"),
                    "kv_transfer_params");
        }
        boolean isSingle = prompts == 1 && fields.output().choices() == 1;
        if (!(asked instanceof HandoffRole.None) && !isSingle) {
            throw ApiError.badRequest(
                    "kv_transfer_params needs one prompt and n 1; this request has " + prompts + " prompts and n "
                            + fields.output().choices(),
                    "kv_transfer_params");
        }
        if (asked instanceof HandoffRole.Lend && fields.output().stream().isPresent()) {
            throw ApiError.badRequest(
                    "kv_transfer_params with do_remote_decode needs stream false: the ticket comes with a whole reply",
                    "kv_transfer_params");
        }
        return asked;
    }
}
