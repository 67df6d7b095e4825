package dev.tandem.text;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Reads the files of a Hugging Face folder that concern text. */
final class TokenizerFolder {
    private static final JsonMapper JSON = JsonMapper.shared();

    /** Bytes of a JSON file: the largest tokenizers have some 35 MB. */
    private static final int MAX_JSON_BYTES = 64 << 20;

    private static final int MAX_TEMPLATE_BYTES = 1 << 20;

    /** The one of several named chat templates that is rendered. */
    private static final String DEFAULT_TEMPLATE = "default";

    private TokenizerFolder() {}

    static TokenizerSource read(Path folder) {
        Path file = folder.resolve("tokenizer.json");
        if (!Files.isRegularFile(file)) {
            throw new TokenizerException(TokenizerException.Kind.UNREADABLE, file + " does not exist");
        }
        JsonNode config = readOptional(folder.resolve("tokenizer_config.json"));
        return new TokenizerSource(
                file.toString(), readTree(file), specialTokens(folder, config), template(folder, config));
    }

    /** {@code tokenizer_config.json} wins over the older {@code special_tokens_map.json}. */
    private static Map<String, String> specialTokens(Path folder, JsonNode config) {
        Map<String, String> tokens = new TreeMap<>();
        collectTokens(readOptional(folder.resolve("special_tokens_map.json")), tokens);
        collectTokens(config, tokens);
        return Map.copyOf(tokens);
    }

    private static void collectTokens(JsonNode object, Map<String, String> tokens) {
        for (Map.Entry<String, JsonNode> field : object.properties()) {
            JsonNode value = field.getValue();
            JsonNode content = value.isObject() ? value.path("content") : value;
            if (field.getKey().endsWith("_token") && content.isString()) {
                tokens.put(field.getKey(), content.stringValue());
            }
        }
    }

    /** A file of its own wins over the configuration's entry, as in transformers. */
    private static Optional<String> template(Path folder, JsonNode config) {
        JsonNode file = readOptional(folder.resolve("chat_template.json"));
        Path jinja = folder.resolve("chat_template.jinja");
        if (Files.isRegularFile(jinja)) {
            return Optional.of(readText(jinja, MAX_TEMPLATE_BYTES));
        }
        return template(file.path("chat_template")).or(() -> template(config.path("chat_template")));
    }

    /** A template's text, or a list of objects with name and template. */
    private static Optional<String> template(JsonNode entry) {
        Optional<String> found = entry.isString() ? Optional.of(entry.stringValue()) : Optional.empty();
        if (entry.isArray()) {
            for (JsonNode named : entry) {
                if (named.path("name").asString("").equals(DEFAULT_TEMPLATE)) {
                    found = Optional.of(named.path("template").asString(""));
                }
            }
        }
        return found;
    }

    private static JsonNode readOptional(Path file) {
        return Files.isRegularFile(file) ? readTree(file) : JSON.createObjectNode();
    }

    private static JsonNode readTree(Path file) {
        try {
            return JSON.readTree(readText(file, MAX_JSON_BYTES));
        } catch (JacksonException e) {
            throw new TokenizerException(
                    TokenizerException.Kind.UNREADABLE, file + " is not JSON: " + e.getOriginalMessage(), e);
        }
    }

    private static String readText(Path file, int maxBytes) {
        try (InputStream in = Files.newInputStream(file)) {
            byte[] bytes = in.readNBytes(maxBytes + 1);
            if (bytes.length > maxBytes) {
                throw new TokenizerException(
                        TokenizerException.Kind.UNREADABLE, file + " is longer than " + maxBytes + " bytes");
            }
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes))
                    .toString();
        } catch (IOException e) {
            throw new TokenizerException(
                    TokenizerException.Kind.UNREADABLE, file + " cannot be read: " + e.getMessage(), e);
        }
    }
}
