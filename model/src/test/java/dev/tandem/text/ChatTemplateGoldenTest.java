package dev.tandem.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.tandem.text.template.ChatTemplate;
import dev.tandem.text.template.TemplateException;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.core.type.TypeReference;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** What Hugging Face transformers renders from the same templates and conversations. */
class ChatTemplateGoldenTest {
    private static final LocalDateTime NOW = LocalDateTime.parse("2026-01-15T13:05:09");

    @ParameterizedTest
    @ValueSource(strings = {"qwen", "llama", "deepseek"})
    void shouldRenderAsTransformers(String name) {
        Path folder = Fixtures.golden("tokenizers/" + name);
        try (Tokenizer tokenizer = Tokenizer.openFolder(folder)) {
            ChatTemplate template = tokenizer.chatTemplate().orElseThrow();
            List<JsonNode> rows = Fixtures.rows(folder.resolve("chat.jsonl"));
            assertThat(rows).hasSize(34);
            for (JsonNode row : rows) {
                assertRow(tokenizer, template, row);
            }
        }
    }

    @Test
    void shouldRenderTheTemplateOfGgufFilesAlike() {
        Map<String, Object> metadata = GgufMetadata.read(Fixtures.golden("gguf/llama-q8_0.gguf"));
        try (Tokenizer tokenizer = Tokenizer.ofGguf(metadata)) {
            ChatTemplate template = tokenizer.chatTemplate().orElseThrow();
            Fixtures.rows(Fixtures.golden("tokenizers/llama/chat.jsonl"))
                    .forEach(row -> assertRow(tokenizer, template, row));
        }
    }

    @Test
    void shouldRenderTheFable() {
        try (Tokenizer tokenizer = Tokenizer.openFolder(Fixtures.root().resolve("models/tandem-fable"))) {
            List<Map<String, String>> messages = List.of(
                    Map.of("role", "user", "content", "Tell me a story."),
                    Map.of("role", "assistant", "content", "Once.\n"),
                    Map.of("role", "user", "content", "More!"));
            String prompt = tokenizer
                    .chatTemplate()
                    .orElseThrow()
                    .render(Map.of("messages", messages, "add_generation_prompt", true), NOW);
            assertThat(prompt)
                    .isEqualTo(
                            "<|im_start|>user\nTell me a story.<|im_end|>\n<|im_start|>assistant\nOnce.\n<|im_end|>\n"
                                    + "<|im_start|>user\nMore!<|im_end|>\n<|im_start|>assistant\n");
            assertThat(tokenizer.encode(prompt, false)[0]).isEqualTo(4094);
        }
    }

    private static void assertRow(Tokenizer tokenizer, ChatTemplate template, JsonNode row) {
        String name = row.path("case").stringValue();
        Map<String, Object> variables = new HashMap<>(plain(row.path("kwargs")));
        variables.put("messages", plainValue(row.path("messages")));
        variables.put("tools", plainValue(row.path("tools")));
        LocalDateTime now = LocalDateTime.parse(row.path("now").stringValue());
        if (row.path("error").isString()) {
            String reason = row.path("error").stringValue().replaceFirst("^\\w+: ", "");
            assertThatExceptionOfType(TemplateException.class)
                    .as(name)
                    .isThrownBy(() -> template.render(variables, now))
                    .withMessage(reason);
            return;
        }
        String rendered = template.render(variables, now);
        assertThat(rendered).as(name).isEqualTo(row.path("rendered").stringValue());
        assertThat(tokenizer.encode(rendered, false)).as(name).isEqualTo(Fixtures.ids(row.path("token_ids")));
    }

    private static Map<String, Object> plain(JsonNode object) {
        return JsonMapper.shared().convertValue(object, new TypeReference<Map<String, Object>>() {});
    }

    private static Object plainValue(JsonNode node) {
        return JsonMapper.shared().convertValue(node, Object.class);
    }
}
