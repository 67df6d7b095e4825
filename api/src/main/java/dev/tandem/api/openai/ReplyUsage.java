package dev.tandem.api.openai;

import java.util.Map;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * The {@code usage} object.
 *
 * @param promptTokens tokens of all prompts
 * @param completionTokens tokens of all choices
 * @param cachedTokens prompt tokens that were not computed because a cache had them
 * @param tandem what happened between prefill and decode node: an extra key that other clients ignore; empty for none
 */
public record ReplyUsage(int promptTokens, int completionTokens, int cachedTokens, Map<String, Object> tandem) {
    public ReplyUsage {
        tandem = Map.copyOf(tandem);
    }

    ObjectNode toJson() {
        ObjectNode usage = JsonNodeFactory.instance.objectNode();
        usage.put("prompt_tokens", promptTokens);
        usage.put("total_tokens", promptTokens + completionTokens);
        usage.put("completion_tokens", completionTokens);
        usage.putObject("prompt_tokens_details").put("cached_tokens", cachedTokens);
        if (!tandem.isEmpty()) {
            usage.set("tandem", PlainJson.tree(tandem));
        }
        return usage;
    }
}
