package dev.tandem.bench.soak;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * One prompt.
 *
 * @param model served name
 * @param ids token ids
 * @param maxTokens tokens of the answer
 * @param temperature 0 is greedy
 * @param seed of sampled tokens
 */
record Question(String model, List<Integer> ids, int maxTokens, double temperature, long seed) {
    private static final int MOST_IDS = 300;
    private static final int LARGEST_ID = 250; // in every vocabulary
    private static final double WARM = 0.9;

    /** Prompts and answers of random lengths; every second one is sampled. */
    static List<Question> random(String model, int count, int maxTokens, long seed) {
        var random = new SplittableRandom(seed);
        var questions = new ArrayList<Question>();
        for (int i = 0; i < count; i++) {
            var ids = new ArrayList<Integer>();
            int length = random.nextInt(1, MOST_IDS);
            for (int position = 0; position < length; position++) {
                ids.add(random.nextInt(LARGEST_ID));
            }
            int tokens = random.nextInt(1, maxTokens + 1);
            questions.add(new Question(model, ids, tokens, i % 2 == 0 ? 0 : WARM, i));
        }
        return questions;
    }

    /** The body of a completion that shows its ids. */
    String body(boolean isStream) {
        ObjectNode body = JsonNodeFactory.instance.objectNode();
        body.put("model", model);
        ArrayNode prompt = body.putArray("prompt");
        ids.forEach(prompt::add);
        body.put("max_tokens", maxTokens)
                .put("temperature", temperature)
                .put("seed", seed)
                .put("ignore_eos", true)
                .put("return_token_ids", true)
                .put("stream", isStream);
        return body.toString();
    }
}
