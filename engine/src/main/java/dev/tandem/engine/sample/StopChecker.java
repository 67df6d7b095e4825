package dev.tandem.engine.sample;

import dev.tandem.engine.request.SamplingOptions;
import dev.tandem.engine.request.Sequence;
import dev.tandem.engine.request.TokenEvent.FinishReason;
import java.util.HashSet;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;

/**
 * Says whether a sequence ends with its last token: the model's end tokens, then the request's stop ids, then the limits. Stop strings
 * are not its business: whoever turns tokens into text finds them.
 */
public final class StopChecker {
    /**
     * An end.
     *
     * @param stopTokenId the stop id of the request that was met
     */
    public record Stop(FinishReason reason, OptionalInt stopTokenId) {}

    private final Set<Integer> endTokenIds;
    private final int maxModelLength;

    /**
     * @param endTokenIds the model's own end tokens
     * @param maxModelLength longest prompt plus output, tokens
     */
    public StopChecker(Iterable<Integer> endTokenIds, int maxModelLength) {
        var ids = new HashSet<Integer>();
        endTokenIds.forEach(ids::add);
        this.endTokenIds = Set.copyOf(ids);
        this.maxModelLength = maxModelLength;
    }

    /** To be asked after each appended token. */
    public Optional<Stop> check(Sequence sequence) {
        SamplingOptions options = sequence.request().sampling();
        int last = sequence.tokens()[sequence.tokenCount() - 1];
        if (sequence.outputTokens() >= options.minTokens()) {
            if (endTokenIds.contains(last) && !options.stop().ignoresEndOfText()) {
                return Optional.of(new Stop(FinishReason.STOP, OptionalInt.empty()));
            }
            if (options.stop().tokenIds().contains(last)) {
                return Optional.of(new Stop(FinishReason.STOP, OptionalInt.of(last)));
            }
        }
        if (sequence.outputTokens() >= options.maxTokens() || sequence.tokenCount() >= maxModelLength) {
            return Optional.of(new Stop(FinishReason.LENGTH, OptionalInt.empty()));
        }
        return Optional.empty();
    }
}
