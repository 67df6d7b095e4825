package dev.tandem.node.http;

import dev.tandem.api.openai.GenerationFields;
import dev.tandem.api.openai.ReplyPiece;
import dev.tandem.api.openai.ReplyPiece.Ending;
import dev.tandem.api.openai.ReplyPiece.TokenLogprob;
import dev.tandem.engine.request.SamplingOptions.Logprob;
import dev.tandem.engine.request.SamplingOptions.TokenLogprobs;
import dev.tandem.engine.request.TokenEvent;
import dev.tandem.engine.request.TokenEvent.FinishReason;
import dev.tandem.engine.request.TokenStream;
import dev.tandem.text.Detokenizer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * Turns one token stream into the pieces of one choice: text without broken characters, stop strings, logprobs. Belongs to one virtual
 * thread; {@link #close} may be called from any.
 */
final class ChoiceReader implements AutoCloseable {
    private final int index;
    private final TokenStream stream;
    private final ServedModel model;
    private final GenerationFields fields;
    private final NodeMetrics metrics;
    private final Detokenizer detokenizer;
    private final StopStrings stops;
    private final Set<Integer> endIds;
    private final long submittedNs = System.nanoTime();
    private final long deadlineNs;
    private long lastTokenNs;

    private final List<Integer> pendingIds = new ArrayList<>();
    private final List<TokenLogprob> pendingLogprobs = new ArrayList<>();
    private int textLength;
    private Optional<TokenEvent.Finished> finished = Optional.empty();

    /**
     * @param index of the choice in the reply
     * @param timeout for the whole request
     */
    ChoiceReader(
            int index,
            TokenStream stream,
            ServedModel model,
            GenerationFields fields,
            NodeMetrics metrics,
            Duration timeout) {
        this.index = index;
        this.stream = stream;
        this.model = model;
        this.fields = fields;
        this.metrics = metrics;
        this.deadlineNs = submittedNs + timeout.toNanos();
        this.detokenizer =
                new Detokenizer(model.tokenizer(), fields.output().text().skipsSpecialTokens());
        this.stops = new StopStrings(
                fields.stopping().strings(), fields.output().text().includesStopString());
        this.endIds = new HashSet<>(fields.stopping().tokenIds());
        if (!fields.stopping().ignoresEndOfText()) {
            endIds.addAll(model.config().tokens().endOfText());
        }
    }

    /** How the stream ended; present after the piece with an ending. */
    Optional<TokenEvent.Finished> finished() {
        return finished;
    }

    /**
     * The next piece that has something to show; the one with an ending is the last.
     *
     * @throws dev.tandem.engine.request.EngineException when the request failed
     */
    ReplyPiece next() throws InterruptedException {
        while (true) {
            switch (event()) {
                case TokenEvent.Token token -> {
                    String text = accept(token);
                    if (stops.found().isPresent()) {
                        return stopped(text);
                    }
                    if (!text.isEmpty() || fields.output().tokenIds().areReturned() || !pendingLogprobs.isEmpty()) {
                        return piece(text, Optional.empty());
                    }
                }
                case TokenEvent.Finished end -> {
                    return last(end);
                }
                case TokenEvent.Failed failed -> throw failed.cause();
            }
        }
    }

    private TokenEvent event() throws InterruptedException {
        return stream.next(Duration.ofNanos(Math.max(1, deadlineNs - System.nanoTime())));
    }

    private String accept(TokenEvent.Token token) {
        observe();
        boolean isEnd = endIds.contains(token.id());
        boolean isShown = !isEnd || fields.output().text().includesStopString();
        String piece = isShown ? detokenizer.add(token.id()) : "";
        pendingIds.add(token.id());
        token.logprobs().ifPresent(logprobs -> pendingLogprobs.add(shown(logprobs)));
        textLength += piece.length();
        return stops.add(piece);
    }

    private void observe() {
        long nowNs = System.nanoTime();
        if (lastTokenNs == 0) {
            metrics.firstTokenCame(nowNs - submittedNs);
        } else {
            metrics.tokenCame(nowNs - lastTokenNs);
        }
        lastTokenNs = nowNs;
    }

    private void end(TokenEvent.Finished end) {
        finished = Optional.of(end);
        metrics.requestEnded(end.usage());
    }

    /** A stop string was found: the engine need not continue; the counts come with the end. */
    private ReplyPiece stopped(String text) throws InterruptedException {
        stream.stop();
        TokenEvent event = event();
        while (event instanceof TokenEvent.Token) {
            event = event();
        }
        if (event instanceof TokenEvent.Failed failed) {
            throw failed.cause();
        }
        end((TokenEvent.Finished) event);
        return piece(text, Optional.of(new Ending("stop", stops.found().map(stop -> stop))));
    }

    private ReplyPiece last(TokenEvent.Finished end) {
        end(end);
        String text = stops.add(detokenizer.finish());
        if (stops.found().isPresent()) {
            return piece(text, Optional.of(new Ending("stop", stops.found().map(stop -> stop))));
        }
        text += stops.finish();
        String reason = switch (end.reason()) {
            case STOP -> "stop";
            case LENGTH -> "length";
            case ABORT -> "abort";
        };
        Optional<Object> stopId =
                end.reason() == FinishReason.STOP && end.stopTokenId().isPresent()
                        ? Optional.of(end.stopTokenId().getAsInt())
                        : Optional.empty();
        return piece(text, Optional.of(new Ending(reason, stopId)));
    }

    private ReplyPiece piece(String text, Optional<Ending> ending) {
        Optional<List<TokenLogprob>> logprobs = fields.output().topLogprobs().isPresent()
                ? Optional.of(List.copyOf(pendingLogprobs))
                : Optional.empty();
        Optional<List<Integer>> ids =
                fields.output().tokenIds().areReturned() ? Optional.of(List.copyOf(pendingIds)) : Optional.empty();
        pendingLogprobs.clear();
        pendingIds.clear();
        return new ReplyPiece(index, text, logprobs, ids, ending);
    }

    private TokenLogprob shown(TokenLogprobs logprobs) {
        List<TokenLogprob> top =
                logprobs.top().stream().map(one -> shown(one, List.of())).toList();
        return shown(logprobs.chosen(), top);
    }

    private TokenLogprob shown(Logprob one, List<TokenLogprob> top) {
        byte[] bytes = model.tokenizer().tokenBytes(one.tokenId());
        var list = new ArrayList<Integer>(bytes.length);
        for (byte b : bytes) {
            list.add(b & 0xff);
        }
        String spelling = fields.output().tokenIds().replaceTokenText()
                ? "token_id:" + one.tokenId()
                : new String(bytes, StandardCharsets.UTF_8);
        return new TokenLogprob(spelling, List.copyOf(list), one.logprob(), textLength, top);
    }

    @Override
    public void close() {
        stream.close();
    }
}
