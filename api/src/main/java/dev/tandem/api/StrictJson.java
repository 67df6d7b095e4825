package dev.tandem.api;

import dev.tandem.api.openai.ApiError;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * JSON as clients send it, read strictly: one object, no key twice, nothing behind it, nesting at most
 * {@value #MAX_DEPTH}, integers of any size kept exact. Stateless; any thread.
 */
public final class StrictJson {
    /** Deepest nesting of arrays and objects. */
    public static final int MAX_DEPTH = 128;

    /** Longest number, in characters. */
    private static final int MAX_NUMBER_LENGTH = 1_000;

    private static final JsonMapper MAPPER = JsonMapper.builder(JsonFactory.builder()
                    .streamReadConstraints(StreamReadConstraints.builder()
                            .maxNestingDepth(MAX_DEPTH)
                            .maxStringLength(Integer.MAX_VALUE)
                            .maxNumberLength(MAX_NUMBER_LENGTH)
                            .build())
                    .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                    .disable(StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION)
                    .build())
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private StrictJson() {}

    /** The object that the bytes hold; an {@link ApiError} with status 400 says what is wrong otherwise. */
    public static ObjectNode object(byte[] body) {
        JsonNode node = read(body);
        if (node instanceof ObjectNode object) {
            return object;
        }
        throw ApiError.badRequest("the request body must be a JSON object", null);
    }

    /** The bytes of a value. */
    public static byte[] bytes(JsonNode node) {
        return MAPPER.writeValueAsBytes(node);
    }

    private static @Nullable JsonNode read(byte[] body) {
        byte[] text = JsonText.of(body);
        try {
            return MAPPER.readTree(text);
        } catch (JacksonException e) {
            throw malformed(text, e);
        }
    }

    /**
     * The refusal of a text that a parser has found not to be JSON: line and column, what was expected and what was found.
     *
     * @param cause the parser's exception
     */
    public static ApiError malformed(byte[] body, JacksonException cause) {
        return ApiError.badRequest(
                "the request body is not valid JSON: " + JsonFault.describe(body, MAPPER, cause), null);
    }
}
