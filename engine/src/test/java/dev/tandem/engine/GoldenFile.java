package dev.tandem.engine;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Reads fixtures/golden: {@code golden.json} and float tensors of {@code logits.safetensors}. */
public final class GoldenFile {
    public static final Path ROOT = Path.of(System.getProperty("tandem.root"));
    public static final Path FOLDER = ROOT.resolve("fixtures/golden");
    private static final JsonMapper JSON = new JsonMapper();

    private static final float FLOAT_TOLERANCE = 2e-4f;
    private static final float INT8_TOLERANCE = 2e-3f;

    /**
     * A prompt and its greedy continuation.
     *
     * @param topLogits [tokens][5 or 10], best first
     * @param tolerance how far a logit may be off: int8 goldens say how far their own move with the order of sums before a rounding
     */
    public record Prompt(String id, int[] tokenIds, List<Integer> generated, float[][] topLogits, float tolerance) {}

    private GoldenFile() {}

    public static JsonNode json(Path file) {
        try {
            return JSON.readTree(Files.readString(file));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public static int[] ints(JsonNode array) {
        var values = new int[array.size()];
        for (int i = 0; i < values.length; i++) {
            values[i] = array.get(i).intValue();
        }
        return values;
    }

    public static float[] floats(JsonNode array) {
        var values = new float[array.size()];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) array.get(i).doubleValue();
        }
        return values;
    }

    public static List<Prompt> prompts(Path file) {
        var prompts = new ArrayList<Prompt>();
        for (JsonNode node : json(file).get("prompts")) {
            if (node.has("greedy_ids")) {
                prompts.add(fable(node, prompts.size()));
                continue;
            }
            var generated = new ArrayList<Integer>();
            for (int id : ints(node.get("generated"))) {
                generated.add(id);
            }
            JsonNode top = node.get("top_logits");
            var logits = new float[top.size()][];
            for (int i = 0; i < logits.length; i++) {
                logits[i] = floats(top.get(i));
            }
            float tolerance = node.has("rounding_noise")
                    ? Math.max(INT8_TOLERANCE, 2 * node.get("rounding_noise").floatValue())
                    : FLOAT_TOLERANCE;
            prompts.add(new Prompt(
                    node.get("id").stringValue(), ints(node.get("token_ids")), generated, logits, tolerance));
        }
        return prompts;
    }

    /** A prompt of tandem-fable's own format: pairs of id and logit, the best five. */
    private static Prompt fable(JsonNode node, int index) {
        var generated = new ArrayList<Integer>();
        for (int id : ints(node.get("greedy_ids"))) {
            generated.add(id);
        }
        JsonNode top = node.get("top5");
        var logits = new float[top.size()][];
        for (int i = 0; i < logits.length; i++) {
            logits[i] = new float[top.get(i).size()];
            for (int j = 0; j < logits[i].length; j++) {
                logits[i][j] = (float) top.get(i).get(j).get(1).doubleValue();
            }
        }
        return new Prompt("f" + index, ints(node.get("prompt_ids")), generated, logits, FLOAT_TOLERANCE);
    }

    /** A float32 tensor of a safetensors file. */
    public static float[] tensor(Path file, String name) {
        try {
            ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
            int headerBytes = Math.toIntExact(bytes.getLong());
            var header = new byte[headerBytes];
            bytes.get(header);
            JsonNode offsets = JSON.readTree(new String(header, StandardCharsets.UTF_8))
                    .get(name)
                    .get("data_offsets");
            int from = offsets.get(0).intValue();
            var values = new float[(offsets.get(1).intValue() - from) / Float.BYTES];
            bytes.position(8 + headerBytes + from);
            bytes.asFloatBuffer().get(values);
            return values;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
