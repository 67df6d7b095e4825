package dev.tandem.text.template;

import dev.tandem.corpus.Corpus;
import java.nio.charset.StandardCharsets;
import java.time.LocalDateTime;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.json.JsonMapper;

/**
 * Chat templates and what they are rendered with: the template's source, and behind a NUL a JSON object of further variables. Rendered the
 * same twice, or refused with a {@link TemplateException}.
 */
class ChatTemplateFuzzTest {
    private static final LocalDateTime NOW = LocalDateTime.of(2026, 11, 30, 12, 0);
    // a small part of what a request may use, so that loops end soon
    private static final int MAX_STEPS = 10_000;
    private static final int MAX_CHARACTERS = 1 << 16;
    private static final Map<String, String> SPECIAL = Map.of("bos_token", "<s>", "eos_token", "</s>");
    private static final List<Object> MESSAGES = List.of(
            Map.of("role", "system", "content", "Be brief."),
            Map.of("role", "user", "content", " Hi <b>\u00e9\ud83d\ude00 "),
            Map.of("role", "assistant", "content", "Yes", "n", 7L, "x", 1.5, "f", true));

    @Test
    void shouldRenderOrRefuseEveryTemplate() {
        Corpus.replay("template", ChatTemplateFuzzTest::fuzzerTestOneInput);
    }

    public static void fuzzerTestOneInput(byte[] input) {
        String text = new String(input, StandardCharsets.UTF_8);
        int end = text.indexOf('\0');
        String source = end < 0 ? text : text.substring(0, end);
        Map<String, Object> variables = variables(end < 0 ? "" : text.substring(end + 1));
        try {
            ChatTemplate template = ChatTemplate.parse(source, SPECIAL);
            String rendered = render(template, variables);
            Corpus.require(rendered.length() <= MAX_CHARACTERS, "more text than allowed");
            Corpus.require(render(template, variables).equals(rendered), "another text when rendered again");
        } catch (TemplateException refusal) {
            Corpus.require(refusal.getMessage() != null, "refused without a word");
        }
    }

    private static String render(ChatTemplate template, Map<String, Object> variables) {
        return template.render(variables, NOW, input -> TemplateBudget.fixed(MAX_STEPS, MAX_CHARACTERS));
    }

    private static Map<String, Object> variables(String json) {
        var variables = new HashMap<String, Object>();
        variables.put("messages", MESSAGES);
        variables.put("add_generation_prompt", true);
        try {
            if (!json.isEmpty() && JsonMapper.shared().readValue(json, Object.class) instanceof Map<?, ?> object) {
                object.forEach((name, value) -> variables.put((String) name, value));
            }
        } catch (JacksonException notJson) {
            return variables;
        }
        return variables;
    }
}
