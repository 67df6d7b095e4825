package dev.tandem.systemtest.process;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * A checkpoint and what transformers makes of it.
 *
 * @param name of the fixture
 * @param checkpoint folder or file
 * @param prompts with their greedy continuations
 */
public record Golden(String name, Path checkpoint, List<Prompt> prompts) {
    /** Token ids of a prompt and of its continuation. */
    public record Prompt(String id, List<Integer> ids, List<Integer> generated) {}

    public static final Path FIXTURES = TandemProcess.ROOT.resolve("fixtures/golden");

    /** A Hugging Face folder such as {@code qwen3}. */
    public static Golden folder(String name) {
        return read(name, FIXTURES.resolve(name), FIXTURES.resolve(name).resolve("golden/golden.json"));
    }

    /** A GGUF file such as {@code llama-q8_0}. */
    public static Golden gguf(String name) {
        return read(
                "gguf/" + name,
                FIXTURES.resolve("gguf/" + name + ".gguf"),
                FIXTURES.resolve("gguf/" + name + "/golden.json"));
    }

    /** The model that ships. */
    public static Golden fable() {
        JsonNode json = json(FIXTURES.resolve("tandem-fable/golden.json"));
        var prompts = new ArrayList<Prompt>();
        for (JsonNode prompt : json.path("prompts")) {
            prompts.add(new Prompt(
                    prompt.path("kind").asString(""),
                    Client.ids(prompt.path("prompt_ids")),
                    Client.ids(prompt.path("greedy_ids"))));
        }
        return new Golden("tandem-fable", TandemProcess.ROOT.resolve("models/tandem-fable"), prompts);
    }

    private static Golden read(String name, Path checkpoint, Path file) {
        var prompts = new ArrayList<Prompt>();
        for (JsonNode prompt : json(file).path("prompts")) {
            prompts.add(new Prompt(
                    prompt.path("id").asString(""),
                    Client.ids(prompt.path("token_ids")),
                    Client.ids(prompt.path("generated"))));
        }
        return new Golden(name, checkpoint, prompts);
    }

    private static JsonNode json(Path file) {
        try {
            return JsonMapper.shared().readTree(Files.readString(file));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public String toString() {
        return name;
    }
}
