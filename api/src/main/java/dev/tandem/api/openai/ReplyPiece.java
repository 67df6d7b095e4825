package dev.tandem.api.openai;

import java.util.List;
import java.util.Optional;

/**
 * New output of one choice: a stream chunk's worth, or all of it in a whole reply.
 *
 * @param index of the choice
 * @param text new text
 * @param logprobs of the new tokens, when asked for
 * @param tokenIds new tokens, when asked for
 * @param ending present on the choice's last piece
 */
public record ReplyPiece(
        int index,
        String text,
        Optional<List<TokenLogprob>> logprobs,
        Optional<List<Integer>> tokenIds,
        Optional<Ending> ending) {

    /**
     * Why a choice ended.
     *
     * @param finishReason {@code stop}, {@code length} or {@code abort}
     * @param stopReason the stop string or stop id that ended it, as vLLM reports it
     */
    public record Ending(String finishReason, Optional<Object> stopReason) {}

    /**
     * One token's log-probability.
     *
     * @param token spelling
     * @param bytes UTF-8 bytes
     * @param logprob natural logarithm
     * @param textOffset characters of the choice's text before it
     * @param top best alternatives, best first; their own {@code top} is empty
     */
    public record TokenLogprob(
            String token, List<Integer> bytes, float logprob, int textOffset, List<TokenLogprob> top) {}
}
