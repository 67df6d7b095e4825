package dev.tandem.text;

import java.time.LocalDateTime;
import java.util.Map;

/**
 * A chat template: a bounded Jinja subset. Templates are untrusted: steps, output and recursion are limited. Thread-safe.
 */
public final class ChatTemplate {
    /** @param specialTokens {@code bos_token}, {@code eos_token}, … as variables */
    public static ChatTemplate parse(String source, Map<String, String> specialTokens) {
        throw new TemplateException("chat templates are not parsed yet");
    }

    /**
     * Renders a conversation.
     *
     * @param variables {@code messages}, {@code tools}, {@code add_generation_prompt} and the request's further variables, as plain
     *     maps, lists, strings, numbers and booleans
     * @param now what {@code strftime_now} shows
     * @throws TemplateException when the template refuses or a limit is reached
     */
    public String render(Map<String, Object> variables, LocalDateTime now) {
        throw new TemplateException("chat templates are not parsed yet");
    }
}
