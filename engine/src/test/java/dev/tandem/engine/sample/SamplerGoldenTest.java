package dev.tandem.engine.sample;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.tandem.engine.GoldenFile;
import dev.tandem.engine.request.SamplingOptions.Filters;
import dev.tandem.engine.request.SamplingOptions.Penalties;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

/** Every step of sampling against vLLM V1's, as fixtures/golden/README.md has it under "Sampling golden". */
class SamplerGoldenTest {
    private static final float TOLERANCE = 1e-5f;

    private JsonNode sampling;
    private Path logitFile;

    @ParameterizedTest
    @ValueSource(strings = {"llama", "qwen3", "qwen3-moe"})
    void shouldAdjustLogitsAsVllm(String model) {
        open(model);
        float repetition = number("repetition_penalty");
        float frequency = number("frequency_penalty");
        float presence = number("presence_penalty");

        float[] biased = base();
        LogitAdjuster.addBias(biased, bias());
        assertThat(biased).containsExactly(row("logit_bias"), within(TOLERANCE));
        assertThat(penalised(base(), new Penalties(repetition, 0, 0)))
                .containsExactly(row("repetition"), within(TOLERANCE));
        assertThat(penalised(base(), new Penalties(1, 0, frequency)))
                .containsExactly(row("frequency"), within(TOLERANCE));
        assertThat(penalised(base(), new Penalties(1, presence, 0)))
                .containsExactly(row("presence"), within(TOLERANCE));
        assertThat(penalised(biased, new Penalties(repetition, presence, frequency)))
                .containsExactly(row("all"), within(TOLERANCE));
    }

    @ParameterizedTest
    @ValueSource(strings = {"llama", "qwen3", "qwen3-moe"})
    void shouldFilterAsVllm(String model) {
        open(model);
        float temperature = number("temperature");
        float minP = number("min_p");
        int topK = sampling.get("top_k").intValue();
        float topP = number("top_p");

        assertSet("temperature", new Filters(temperature, 1, 0, 0));
        assertSet("min_p", new Filters(temperature, 1, 0, minP));
        assertSet("top_k", new Filters(temperature, 1, topK, 0));
        assertSet("top_p", new Filters(temperature, topP, 0, 0));
        assertSet("min_p_top_k_top_p", new Filters(temperature, topP, topK, minP));
    }

    @ParameterizedTest
    @ValueSource(strings = {"llama", "qwen3", "qwen3-moe"})
    void shouldReportLogprobsAndRanksAsVllm(String model) {
        open(model);
        JsonNode set = sampling.get("sets").get("temperature"); // the order is that of the base logits
        int[] ids = GoldenFile.ints(set.get("ids"));
        float[] base = base();
        double sum = 0;
        for (float logit : base) {
            sum += Math.exp(logit);
        }

        for (int rank = 1; rank <= 20; rank++) {
            var report = LogprobReport.of(base, 0, base.length, ids[rank - 1], rank);

            assertThat(report.chosen().rank()).isEqualTo(rank);
            assertThat(report.chosen().logprob())
                    .isCloseTo((float) (base[ids[rank - 1]] - Math.log(sum)), within(TOLERANCE));
            assertThat(report.top()).hasSize(rank);
            assertThat(report.top().getLast()).isEqualTo(report.chosen());
        }
    }

    private void assertSet(String name, Filters filters) {
        JsonNode set = sampling.get("sets").get(name);
        float[] logits = base();
        int best = 0;
        for (int i = 0; i < logits.length; i++) {
            logits[i] /= filters.temperature();
            best = logits[i] > logits[best] ? i : best;
        }
        var filter = new TokenFilter(logits.length);
        filter.apply(logits, best, filters);

        assertThat(filter.count()).as(name).isEqualTo(set.get("count").intValue());
        var found = new HashMap<Integer, Double>();
        for (int i = 0; i < filter.count(); i++) {
            found.put(filter.tokenId(i), filter.probability(i));
        }
        int[] ids = GoldenFile.ints(set.get("ids"));
        float[] probabilities = GoldenFile.floats(set.get("probs"));
        for (int i = 0; i < ids.length; i++) {
            assertThat(found.get(ids[i])).as("%s %d", name, ids[i]).isCloseTo(probabilities[i], within(1e-5));
        }
        assertThat(found.values().stream().mapToDouble(p -> p).sum()).isCloseTo(1, within(1e-9));
    }

    private void open(String model) {
        Path golden = GoldenFile.FOLDER.resolve(model).resolve("golden");
        sampling = GoldenFile.json(golden.resolve("golden.json")).get("sampling");
        logitFile = golden.resolve("logits.safetensors");
    }

    private float number(String key) {
        return (float) sampling.get(key).doubleValue();
    }

    private float[] base() {
        return row("base");
    }

    private float[] row(String name) {
        return GoldenFile.tensor(logitFile, "sampling." + name);
    }

    private Map<Integer, Float> bias() {
        var bias = new HashMap<Integer, Float>();
        sampling.get("logit_bias")
                .properties()
                .forEach(entry -> bias.put(Integer.valueOf(entry.getKey()), (float)
                        entry.getValue().doubleValue()));
        return bias;
    }

    private float[] penalised(float[] logits, Penalties penalties) {
        int[] prompt = GoldenFile.ints(sampling.get("prompt_token_ids"));
        int[] output = GoldenFile.ints(sampling.get("output_token_ids"));
        int[] tokens = Arrays.copyOf(prompt, prompt.length + output.length);
        System.arraycopy(output, 0, tokens, prompt.length, output.length);
        float[] adjusted = logits.clone();
        var adjuster = new LogitAdjuster(logits.length);
        adjuster.penalise(adjusted, tokens, prompt.length, tokens.length, penalties);
        float[] again = logits.clone();
        adjuster.penalise(again, tokens, prompt.length, tokens.length, penalties);
        assertThat(again).as("nothing is left over from the call before").isEqualTo(adjusted);
        return adjusted;
    }
}
