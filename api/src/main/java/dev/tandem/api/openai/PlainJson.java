package dev.tandem.api.openai;

import java.math.BigInteger;
import java.util.Map;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** Plain Java values as a JSON tree: the way back of {@link Fields#plain}. */
public final class PlainJson {
    private PlainJson() {}

    /**
     * Maps, iterables, strings, numbers, booleans.
     *
     * @throws IllegalArgumentException for anything else
     */
    public static JsonNode tree(Object value) {
        JsonNodeFactory nodes = JsonNodeFactory.instance;
        return switch (value) {
            case Map<?, ?> map -> {
                ObjectNode object = nodes.objectNode();
                map.forEach((key, element) -> object.set(String.valueOf(key), tree(element)));
                yield object;
            }
            case Iterable<?> list -> {
                ArrayNode array = nodes.arrayNode();
                list.forEach(element -> array.add(tree(element)));
                yield array;
            }
            case String text -> nodes.stringNode(text);
            case Boolean bool -> nodes.booleanNode(bool);
            case Integer number -> nodes.numberNode(number);
            case Long number -> nodes.numberNode(number);
            case BigInteger number -> nodes.numberNode(number);
            case Float number -> nodes.numberNode(number);
            case Double number -> nodes.numberNode(number);
            default -> throw new IllegalArgumentException("no JSON form for " + value.getClass());
        };
    }
}
