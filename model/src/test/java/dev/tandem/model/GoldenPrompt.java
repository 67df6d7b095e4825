package dev.tandem.model;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * One prompt of a golden file.
 *
 * @param id {@code p4}
 * @param tokenIds the prompt
 * @param generated greedy tokens after it
 * @param topIds [steps, n] best ids at each generated step, best first
 * @param top best logits at each generated step
 * @param tolerance how far a logit or hidden value may be off: measured with the golden
 */
record GoldenPrompt(String id, int[] tokenIds, int[] generated, Top top, float tolerance) {
    private static final float FLOAT_TOLERANCE = 2e-4f;
    private static final float INT8_TOLERANCE = 2e-3f;

    /**
     * @param ids [steps, n] best first
     * @param logits [steps, n]
     */
    record Top(int[][] ids, float[][] logits) {}

    /** Prompts of {@code golden.json} of a random checkpoint. */
    static List<GoldenPrompt> read(Path goldenJson) {
        var prompts = new ArrayList<GoldenPrompt>();
        for (JsonNode prompt : parse(goldenJson).get("prompts")) {
            prompts.add(new GoldenPrompt(
                    prompt.get("id").asString(),
                    ints(prompt.get("token_ids")),
                    ints(prompt.get("generated")),
                    new Top(intRows(prompt.get("top_ids")), floatRows(prompt.get("top_logits"))),
                    tolerance(prompt)));
        }
        return prompts;
    }

    /** Prompts of the story teller's {@code golden.json}, whose best logits come as pairs. */
    static List<GoldenPrompt> readFable(Path goldenJson) {
        var prompts = new ArrayList<GoldenPrompt>();
        for (JsonNode prompt : parse(goldenJson).get("prompts")) {
            JsonNode top = prompt.get("top5");
            var ids = new int[top.size()][];
            var logits = new float[top.size()][];
            for (int step = 0; step < top.size(); step++) {
                ids[step] = new int[top.get(step).size()];
                logits[step] = new float[ids[step].length];
                for (int i = 0; i < ids[step].length; i++) {
                    ids[step][i] = top.get(step).get(i).get(0).asInt();
                    logits[step][i] = (float) top.get(step).get(i).get(1).asDouble();
                }
            }
            prompts.add(new GoldenPrompt(
                    prompt.get("prompt").asString(),
                    ints(prompt.get("prompt_ids")),
                    ints(prompt.get("greedy_ids")),
                    new Top(ids, logits),
                    FLOAT_TOLERANCE));
        }
        return prompts;
    }

    /** Int8 goldens say how far their own logits move when sums before a rounding are made in another order. */
    private static float tolerance(JsonNode prompt) {
        return prompt.has("rounding_noise")
                ? Math.max(
                        INT8_TOLERANCE, 2 * (float) prompt.get("rounding_noise").asDouble())
                : FLOAT_TOLERANCE;
    }

    private static JsonNode parse(Path file) {
        assertReadable(file);
        return JsonMapper.shared().readTree(file.toFile());
    }

    private static void assertReadable(Path file) {
        if (!Files.isReadable(file)) {
            throw new AssertionError("fixture " + file + " is missing");
        }
    }

    private static int[] ints(JsonNode array) {
        var values = new int[array.size()];
        for (int i = 0; i < values.length; i++) {
            values[i] = array.get(i).asInt();
        }
        return values;
    }

    private static int[][] intRows(JsonNode array) {
        var rows = new int[array.size()][];
        for (int i = 0; i < rows.length; i++) {
            rows[i] = ints(array.get(i));
        }
        return rows;
    }

    private static float[][] floatRows(JsonNode array) {
        var rows = new float[array.size()][];
        for (int i = 0; i < rows.length; i++) {
            rows[i] = new float[array.get(i).size()];
            for (int j = 0; j < rows[i].length; j++) {
                rows[i][j] = (float) array.get(i).get(j).asDouble();
            }
        }
        return rows;
    }

    @Override
    public String toString() {
        return id;
    }
}
