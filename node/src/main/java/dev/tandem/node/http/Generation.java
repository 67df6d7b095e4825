package dev.tandem.node.http;

import dev.tandem.api.openai.ApiError;
import dev.tandem.api.openai.ChunkTemplate;
import dev.tandem.api.openai.GenerationFields;
import dev.tandem.api.openai.ReplyBuilder;
import dev.tandem.api.openai.ReplyBuilder.Kind;
import dev.tandem.api.openai.ReplyPiece;
import dev.tandem.api.openai.ReplyPiece.TokenLogprob;
import dev.tandem.api.openai.ReplyUsage;
import dev.tandem.api.openai.RequestId;
import dev.tandem.api.server.EventStream;
import dev.tandem.api.server.Exchange;
import dev.tandem.api.sse.SseWriter;
import dev.tandem.engine.cluster.ReplicaSet;
import dev.tandem.engine.request.ClientId;
import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.engine.request.Request;
import dev.tandem.engine.request.TokenEvent;
import dev.tandem.engine.request.TokenStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.locks.ReentrantLock;
import java.util.regex.Pattern;
import tools.jackson.databind.node.ObjectNode;

/**
 * Carries one request from prompts to reply: submits a sequence per prompt and choice, reads their streams, answers whole or as events.
 * A client that goes away aborts all of them. Stateless; any thread.
 */
final class Generation {
    private static final String RECOMPUTED = "x-tandem-recomputed";
    private static final Pattern NOT_PRINTABLE = Pattern.compile("[^ -~]");
    private static final int MAX_REASON_LENGTH = 200;

    private final ReplicaSet replicas;
    private final ServedModel model;
    private final NodeMetrics metrics;
    private final Duration requestTimeout;

    Generation(ReplicaSet replicas, ServedModel model, NodeMetrics metrics, Duration requestTimeout) {
        this.replicas = replicas;
        this.model = model;
        this.metrics = metrics;
        this.requestTimeout = requestTimeout;
    }

    /**
     * What is to be generated.
     *
     * @param kind shape of the reply
     * @param requestId of the client or made here
     * @param prompts token ids of each prompt
     * @param tokenizeNanos time that tokenising took
     * @param fields of the request
     * @param handoff this node's part in an exchange
     * @param pinnedRank the data-parallel rank that the client asks for
     * @param client who asks
     */
    record Job(
            Kind kind,
            String requestId,
            List<int[]> prompts,
            long tokenizeNanos,
            GenerationFields fields,
            HandoffRole handoff,
            OptionalInt pinnedRank,
            ClientId client) {
        int choices() {
            return fields.output().choices();
        }

        String sequenceId(int prompt, int choice) {
            return choices() == 1
                    ? RequestId.ofSequence(kind, requestId, prompt)
                    : RequestId.ofSequence(kind, requestId, prompt, choice);
        }
    }

    /** Answers an exchange. */
    void run(Exchange exchange, Job job) throws InterruptedException {
        List<ChoiceReader> readers = submit(job);
        try {
            exchange.onDisconnect(() -> readers.forEach(ChoiceReader::close));
            var builder = new ReplyBuilder(
                    job.kind(),
                    RequestId.ofReply(job.kind(), job.requestId()),
                    System.currentTimeMillis() / 1000,
                    model.name());
            if (job.fields().output().stream().isPresent()) {
                stream(exchange, job, builder, readers);
            } else {
                ObjectNode whole = whole(job, builder, readers);
                recomputed(readers).ifPresent(reason -> exchange.responseHeader(RECOMPUTED, reason));
                exchange.respondJson(200, whole);
            }
        } catch (EngineException e) {
            throw EngineErrors.toApi(e);
        } finally {
            readers.forEach(ChoiceReader::close);
        }
    }

    private List<ChoiceReader> submit(Job job) {
        var readers = new ArrayList<ChoiceReader>();
        boolean isForPeer = job.handoff() instanceof HandoffRole.Lend || job.handoff() instanceof HandoffRole.Push;
        // what ends the client's answer does not end the prefill of it: a ticket that goes out stays valid
        GenerationFields fields = isForPeer ? job.fields().withoutStops() : job.fields();
        try {
            for (int prompt = 0; prompt < job.prompts().size(); prompt++) {
                int[] ids = job.prompts().get(prompt);
                for (int choice = 0; choice < job.choices(); choice++) {
                    var request = new Request(
                            job.sequenceId(prompt, choice),
                            ids,
                            SamplingPlan.of(model, fields, ids.length, choice),
                            job.handoff(),
                            requestTimeout,
                            job.client());
                    int index = prompt * job.choices() + choice;
                    TokenStream stream = replicas.submit(request, job.pinnedRank());
                    readers.add(new ChoiceReader(index, stream, model, fields, metrics, requestTimeout));
                }
            }
            return readers;
        } catch (EngineException e) {
            readers.forEach(ChoiceReader::close);
            throw EngineErrors.toApi(e);
        } catch (ApiError e) {
            readers.forEach(ChoiceReader::close);
            throw e;
        }
    }

    private ObjectNode whole(Job job, ReplyBuilder builder, List<ChoiceReader> readers) throws InterruptedException {
        var choices = new ArrayList<ReplyPiece>();
        for (ChoiceReader reader : readers) {
            choices.add(collect(reader));
        }
        Optional<Map<String, Object>> params = readers.size() == 1
                ? readers.getFirst()
                        .finished()
                        .flatMap(TokenEvent.Finished::ticket)
                        .map(ticket -> params(job, ticket, readers))
                : Optional.empty();
        return builder.whole(choices, usage(job, readers), promptIdsByChoice(job, choices.size()), params);
    }

    /** A ticket leaves with what the decode node may tell the client about the prefill: keys that other decode nodes ignore. */
    private static Map<String, Object> params(Job job, HandoffTicket ticket, List<ChoiceReader> readers) {
        TokenEvent.Usage usage = readers.getFirst().finished().orElseThrow().usage();
        Map<String, Object> params = ticket.toParams();
        params.put("tandem_tokenize_ms", Timeline.millis(job.tokenizeNanos()));
        params.put("tandem_prefill_ms", Timeline.millis(usage.times().prefillNs()));
        params.put("tandem_cached_tokens", usage.cachedTokens());
        return params;
    }

    private static ReplyPiece collect(ChoiceReader reader) throws InterruptedException {
        var text = new StringBuilder();
        var logprobs = new ArrayList<TokenLogprob>();
        var ids = new ArrayList<Integer>();
        while (true) {
            ReplyPiece piece = reader.next();
            text.append(piece.text());
            piece.logprobs().ifPresent(logprobs::addAll);
            piece.tokenIds().ifPresent(ids::addAll);
            if (piece.ending().isPresent()) {
                return new ReplyPiece(
                        piece.index(),
                        text.toString(),
                        piece.logprobs().map(last -> List.copyOf(logprobs)),
                        piece.tokenIds().map(last -> List.copyOf(ids)),
                        piece.ending());
            }
        }
    }

    private void stream(Exchange exchange, Job job, ReplyBuilder builder, List<ChoiceReader> readers)
            throws InterruptedException {
        // The first piece is awaited before the stream begins, so that a request that fails early gets a real status.
        ReplyPiece first = readers.getFirst().next();
        EventStream events = exchange.startEvents();
        var writer = new EventWriter(events, job, builder);
        var others = new ArrayList<CompletableFuture<Void>>();
        for (ChoiceReader reader : readers.subList(1, readers.size())) {
            others.add(inBackground(() -> writer.relay(reader, Optional.empty())));
        }
        writer.relay(readers.getFirst(), Optional.of(first));
        try {
            others.forEach(CompletableFuture::join);
        } catch (CompletionException e) {
            throw e.getCause() instanceof RuntimeException cause ? cause : new IllegalStateException(e.getCause());
        }
        GenerationFields.Stream options = job.fields().output().stream().orElseThrow();
        if (options.includesUsage()) {
            writer.send(builder.usageChunk(usage(job, readers)));
        }
        events.send(SseWriter.done());
        recomputed(readers).ifPresent(reason -> exchange.responseTrailer(RECOMPUTED, reason));
        events.close();
    }

    /** Why a prompt was computed here although its KV was to come from another node, fit for a header; a gateway reads it there. */
    private static Optional<String> recomputed(List<ChoiceReader> readers) {
        for (ChoiceReader reader : readers) {
            Optional<String> reason =
                    reader.finished().flatMap(end -> end.usage().handoff().recomputeReason());
            if (reason.isPresent()) {
                String plain = NOT_PRINTABLE.matcher(reason.get()).replaceAll("?");
                return Optional.of(plain.substring(0, Math.min(plain.length(), MAX_REASON_LENGTH)));
            }
        }
        return Optional.empty();
    }

    /** Each further choice has a virtual thread of its own: their tokens come interleaved. */
    private static CompletableFuture<Void> inBackground(InterruptibleTask task) {
        var done = new CompletableFuture<Void>();
        Thread.ofVirtual().name("choice").start(() -> {
            try {
                task.run();
                done.complete(null);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                done.completeExceptionally(e);
            } catch (Throwable e) { // whoever joins must hear of it, an Error too
                done.completeExceptionally(e);
            }
        });
        return done;
    }

    private interface InterruptibleTask {
        void run() throws InterruptedException;
    }

    private static final class EventWriter {
        private final EventStream events;
        private final Job job;
        private final ReplyBuilder builder;
        /** Choices of one request write from their own threads; an event goes out whole. */
        private final ReentrantLock lock = new ReentrantLock();

        EventWriter(EventStream events, Job job, ReplyBuilder builder) {
            this.events = events;
            this.job = job;
            this.builder = builder;
        }

        void relay(ChoiceReader reader, Optional<ReplyPiece> first) throws InterruptedException {
            ReplyPiece piece = first.isPresent() ? first.get() : reader.next();
            if (job.kind() == Kind.CHAT) {
                send(builder.roleChunk(piece.index(), promptIds(job, piece.index() / job.choices())));
            }
            ChunkTemplate chunks = builder.chunks(piece.index());
            send(chunks.event(piece, continuousUsage(reader)));
            while (piece.ending().isEmpty()) {
                piece = reader.next();
                send(chunks.event(piece, continuousUsage(reader)));
            }
        }

        private Optional<ReplyUsage> continuousUsage(ChoiceReader reader) {
            boolean isAsked = job.fields().output().stream()
                    .map(GenerationFields.Stream::hasContinuousUsage)
                    .orElse(false);
            return isAsked ? reader.finished().map(end -> usage(job, List.of(reader))) : Optional.empty();
        }

        void send(ObjectNode chunk) throws InterruptedException {
            send(SseWriter.event(chunk.toString().getBytes(StandardCharsets.UTF_8)));
        }

        private void send(byte[] event) throws InterruptedException {
            lock.lockInterruptibly();
            try {
                events.send(event);
            } finally {
                lock.unlock();
            }
        }
    }

    private static Optional<List<List<Integer>>> promptIdsByChoice(Job job, int choices) {
        var all = new ArrayList<List<Integer>>();
        for (int choice = 0; choice < choices; choice += job.choices()) { // the choices of a prompt share its list
            promptIds(job, choice / job.choices())
                    .ifPresent(ids -> all.addAll(Collections.nCopies(job.choices(), ids)));
        }
        return all.isEmpty() ? Optional.empty() : Optional.of(all);
    }

    private static Optional<List<Integer>> promptIds(Job job, int prompt) {
        return job.fields().output().tokenIds().areReturned()
                ? Optional.of(Arrays.stream(job.prompts().get(prompt)).boxed().toList())
                : Optional.empty();
    }

    private static ReplyUsage usage(Job job, List<ChoiceReader> readers) {
        int prompt = 0;
        for (int[] ids : job.prompts()) {
            prompt += ids.length;
        }
        int output = 0;
        int cached = 0;
        for (ChoiceReader reader : readers) {
            TokenEvent.Usage usage = reader.finished().orElseThrow().usage();
            output += usage.outputTokens();
            cached += usage.cachedTokens();
        }
        TokenEvent.Usage first = readers.getFirst().finished().orElseThrow().usage();
        return Timeline.usage(job, prompt, output, cached, first);
    }
}
