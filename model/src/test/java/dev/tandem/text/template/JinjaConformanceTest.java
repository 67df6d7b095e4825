package dev.tandem.text.template;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import tools.jackson.core.type.TypeReference;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Small templates and what Jinja2 3.1.6 makes of them in an immutable sandbox with trim_blocks, lstrip_blocks, loop controls and the
 * {@code tojson}, {@code raise_exception} and {@code strftime_now} of transformers; or that it refuses them.
 */
class JinjaConformanceTest {
    private static final LocalDateTime NOW = LocalDateTime.parse("2026-01-05T03:05:09");

    @Test
    void shouldRenderAndRefuseAsJinja2() throws IOException {
        Map<String, Object> variables = JsonMapper.shared()
                .readValue(resource("jinja-variables.json"), new TypeReference<Map<String, Object>>() {});
        List<JsonNode> rows = resource("jinja.jsonl")
                .lines()
                .map(JsonMapper.shared()::readTree)
                .toList();
        assertThat(rows).hasSizeGreaterThan(700);
        List<String> differences = new ArrayList<>();
        for (JsonNode row : rows) {
            String template = row.path("template").stringValue();
            String expected =
                    row.path("rendered").isString() ? row.path("rendered").stringValue() : "refused";
            String actual = render(template, variables);
            boolean isSame = row.path("rendered").isString() ? actual.equals(expected) : actual.startsWith("refused: ");
            if (!isSame) {
                differences.add(template + "\n  expected: " + expected
                        + row.path("error").asString("") + "\n  actual:   " + actual);
            }
        }
        assertThat(differences).isEmpty();
    }

    private static String render(String template, Map<String, Object> variables) {
        try {
            return ChatTemplate.parse(template, Map.of()).render(variables, NOW);
        } catch (TemplateException e) {
            return "refused: " + e.getMessage();
        }
    }

    private static String resource(String name) throws IOException {
        try (InputStream stream = JinjaConformanceTest.class.getResourceAsStream(name)) {
            return new String(Objects.requireNonNull(stream).readAllBytes(), StandardCharsets.UTF_8);
        }
    }
}
