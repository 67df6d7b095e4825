package dev.tandem.gateway.protocol;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JsonToken;

/**
 * How a request for several sequences (a list of prompts, {@code n}) is cut into requests for one each, since a prefill node hands off one
 * sequence per request. A choice's seed is the request's plus the choice's index, as nodes count themselves. Pure.
 *
 * @param choices of each prompt
 * @param bodies of the requests: all choices of the first prompt, then of the next
 */
public record SequencePlan(int choices, List<byte[]> bodies) {
    /** Most sequences of one request that are handed off; a request for more runs on a decode node alone. */
    public static final int MAX_SEQUENCES = 256;

    /** Most bytes of the bodies together, each of which repeats the rest of the request; beyond it the same. */
    public static final int MAX_BYTES = 1 << 25;

    /** The plan; none for a request that is for one sequence, or that cannot be cut. */
    public static Optional<SequencePlan> of(JsonSpans request) {
        int choices = choices(request);
        if (sequences(request) == 0) {
            return Optional.empty();
        }
        boolean isList = LegRequests.isPromptList(request);
        List<byte[]> prompts = isList ? request.elements("prompt") : List.of();
        List<byte[]> bodies = new ArrayList<>();
        long bytes = 0;
        for (int prompt = 0; prompt < Math.max(1, prompts.size()); prompt++) {
            for (int choice = 0; choice < choices; choice++) {
                byte[] body = body(request, isList ? prompts.get(prompt) : null, choice);
                bytes += body.length;
                if (bytes > MAX_BYTES) {
                    return Optional.empty();
                }
                bodies.add(body);
            }
        }
        return Optional.of(new SequencePlan(choices, bodies));
    }

    /** The bytes of all requests that {@link #of} would make, or a little more: each prompt goes into every choice. */
    public static long bytes(JsonSpans request) {
        long sequences = sequences(request);
        if (sequences == 0) {
            return 0;
        }
        long prompt = LegRequests.isPromptList(request)
                ? request.field("prompt")
                        .map(field -> field.end() - field.start())
                        .orElse(0)
                : 0;
        return sequences * (request.bytes().length - prompt) + choices(request) * prompt;
    }

    /** How many sequences a request is cut into; 0 where it is not. */
    private static long sequences(JsonSpans request) {
        if (LegRequests.isUndivided(request)) {
            return 0;
        }
        int prompts = LegRequests.isPromptList(request)
                ? request.field("prompt").map(JsonSpans.Field::elements).orElse(0)
                : 1;
        long sequences = (long) choices(request) * prompts;
        return sequences < 2 || sequences > MAX_SEQUENCES ? 0 : sequences;
    }

    private static byte[] body(JsonSpans request, byte @Nullable [] prompt, int choice) {
        JsonEdit edit = request.edit().drop("n", "best_of");
        if (prompt != null) {
            edit.set("prompt", prompt);
        }
        request.text("seed")
                .filter(text -> choice > 0)
                .filter(text -> request.field("seed")
                        .filter(field -> field.kind() == JsonToken.VALUE_NUMBER_INT)
                        .isPresent())
                .ifPresent(text -> edit.set(
                        "seed",
                        new BigInteger(text).add(BigInteger.valueOf(choice)).toString()));
        return edit.bytes();
    }

    /** {@code n}; 1 where it is not given, 0 where it is not a number that a request could be cut by. */
    private static int choices(JsonSpans request) {
        Optional<JsonSpans.Field> field = request.field("n").filter(given -> given.kind() != JsonToken.VALUE_NULL);
        if (field.isEmpty()) {
            return 1;
        }
        String text = request.text("n").orElse("");
        return field.get().kind() == JsonToken.VALUE_NUMBER_INT && text.length() <= 3 ? Integer.parseInt(text) : 0;
    }
}
