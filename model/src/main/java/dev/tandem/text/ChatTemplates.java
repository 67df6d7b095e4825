package dev.tandem.text;

import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The chat templates of one model by name. One that cannot be parsed fails whoever asks for it, not the model's other uses. Immutable. */
final class ChatTemplates {
    static final String DEFAULT = "default";
    static final String TOOL_USE = "tool_use";

    private static final Logger LOG = LoggerFactory.getLogger(ChatTemplates.class);

    private final Map<String, ChatTemplate> parsed;
    private final Map<String, TemplateException> refused;

    private ChatTemplates(Map<String, ChatTemplate> parsed, Map<String, TemplateException> refused) {
        this.parsed = parsed;
        this.refused = refused;
    }

    static ChatTemplates parse(TokenizerSource source) {
        Map<String, ChatTemplate> parsed = new HashMap<>();
        Map<String, TemplateException> refused = new HashMap<>();
        source.templates().forEach((name, text) -> {
            try {
                parsed.put(name, ChatTemplate.parse(text, source.specialTokens()));
            } catch (TemplateException e) {
                LOG.warn("chat template refused source={} template={} reason={}", source.name(), name, e.getMessage());
                refused.put(name, e);
            }
        });
        return new ChatTemplates(Map.copyOf(parsed), Map.copyOf(refused));
    }

    Optional<ChatTemplate> find(String name) {
        TemplateException failure = refused.get(name);
        if (failure != null) {
            throw new TemplateException("The model's chat template cannot be used: " + failure.getMessage());
        }
        return Optional.ofNullable(parsed.get(name));
    }
}
