package dev.tandem.text.template;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.math.BigInteger;
import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ChatTemplateTest {
    private static final LocalDateTime NOW = LocalDateTime.parse("2026-01-15T13:05:09");

    @ParameterizedTest
    @CsvSource(
            delimiter = '§',
            quoteCharacter = '`',
            value = {
                "{% include 'x' %} § the tag 'include' is not known (template line 1)",
                "{{ 1 | zz }} § the filter 'zz' is not known (template line 1)",
                "{{ 1 is zz }} § the test 'zz' is not known (template line 1)",
                "{{ f(*x) }} § unpacking arguments with * is not supported (template line 1)",
                "{% for x in y %} § the template ends where one of [else, endfor] is due (template line 1)",
                "{{ 'abc }} § a string is not closed (template line 1)",
                "{% if %}{% endif %} § expected an expression, found '%}' (template line 1)",
                "{{ 1 + }} § expected an expression, found '}}' (template line 1)",
                "{{ $x }} § unexpected character '$' (template line 1)",
            })
    void shouldNameWhatItCannotParse(String source, String message) {
        assertThatExceptionOfType(TemplateException.class)
                .isThrownBy(() -> ChatTemplate.parse(source, Map.of()))
                .withMessage(message);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '§',
            quoteCharacter = '`',
            value = {
                "{{ messages[0].nope.x }} § 'dict object' has no attribute 'nope' (template line 3)",
                "{{ nope() }} § 'nope' is undefined (template line 3)",
                "{{ 'a' + 1 }} § '+' does not take str and int (template line 3)",
                "{{ messages.append(1) }} § the method 'append' would change a list, which is refused (template line 3)",
                "{{ 'a'.__class__ }} § the attribute '__class__' of str is unsafe (template line 3)",
                "{% for x in 5 %}{% endfor %} § int is not iterable (template line 3)",
                "{% set x.y = 1 %} § attributes can be set of a namespace only, not of Undefined (template line 3)",
                "{{ 9223372036854775807 + 1 }} § the result of '+' exceeds 64 bits (template line 3)",
                "{{ raise_exception('no!') }} § no!",
            })
    void shouldSayWhereRenderingFails(String source, String message) {
        ChatTemplate template = ChatTemplate.parse("a\n\n" + source, Map.of());
        assertThatExceptionOfType(TemplateException.class)
                .isThrownBy(() -> template.render(Map.of("messages", List.of(Map.of("role", "user"))), NOW))
                .withMessage(message);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{% for i in range(10**9) %}{% endfor %}",
                "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
                "{% set ns = namespace(s='x') %}{% for i in range(100) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
                "{% set ns = namespace(s='x') %}{% for i in range(100) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
                "{% set ns = namespace(s='x') %}{% for i in range(100) %}{% set ns.s = ns.s.replace('x', 'xxxx') %}{% endfor %}",
                "{% set ns = namespace(s='x') %}{% for i in range(99) %}{% set ns.s = [ns.s, ns.s] | join %}{% endfor %}",
                "{% set ns = namespace(s=[1]) %}{% for i in range(100) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
                "{% set ns = namespace(s=[1]) %}{% for i in range(100) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}",
                "{% set ns = namespace(s=[1]) %}{% for i in range(99) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s | tojson }}",
                "{% set a = namespace(s=[1], t=[1]) %}{% for i in range(99) %}{% set a.s = [a.s, a.s] %}{% set a.t = [a.t, a.t] %}"
                        + "{% endfor %}{{ a.s == a.t }}",
                "{% set ns = namespace(s=[]) %}{% for i in range(99999) %}{% set ns.s = [ns.s] %}{% endfor %}{{ ns.s }}",
                "{% set ns = namespace(s=[]) %}{% for i in range(99999) %}{% set ns.s = [ns.s] %}{% endfor %}{{ ns.s == ns.s }}",
                "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
                "{% macro f(x) %}{{ f(x) }}{{ f(x) }}{% endmacro %}{{ f(1) }}",
                "{% macro f() %}{% call f() %}{% endcall %}{% endmacro %}{{ f() }}",
                "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
                "{{ 'x' * 10**12 }}",
                "{{ 'abc' * 9223372036854775807 }}",
                "{{ [1] * 10**12 }}",
                "{{ 10 ** 1000 }}",
                "{{ 'a' | indent(10**9) }}",
                "{{ 'a' | center(10**9) }}",
                "{{ 'a'.ljust(10**9) }}",
                "{{ '%999s%999s' | format('a', 'b') | length * 'x' * 100000 }}",
                "{{ messages | tojson(indent=1000) }}",
                "{{ range(100000) | list | batch(100000, 1) | map('list') | map('string') | join * 100 }}",
                "{% for i in range(99999) %}{{ range(100000) | list | sort | length }}{% endfor %}",
                "{% for i in range(99999) %}{{ ('x' * 100000) | upper | length }}{% endfor %}",
                "{% for i in range(99999) %}{{ ('x ' * 100000).split() | length }}{% endfor %}",
                "{% for i in range(99999) %}{{ 'y' in 'x' * 1000000 }}{% endfor %}",
                "{% set x = 'x' * 1000000 %}{% for i in range(99999) %}{% if 'xy' in x %}{% endif %}{% endfor %}",
                "{% set x = 'x' * 1000000 %}{% for i in range(99999) %}{{ x.find('xy') }}{{ x.count('y') }}{% endfor %}",
                "{% set x = 'x' * 1000000 %}{% for i in range(99999) %}{{ x == x ~ '' }}{{ x | length }}{% endfor %}",
                "{% set x = 'x' * 1000000 %}{% for i in range(99999) %}{{ x.isalpha() }}{{ x is lower }}{% endfor %}",
                "{% set x = 'x' * 1000000 %}{% for i in range(99999) %}{{ x | wordcount }}{{ x[-1] }}{% endfor %}"
            })
    void shouldEndHostileTemplatesQuickly(String source) throws Exception {
        ChatTemplate template = ChatTemplate.parse(source, Map.of());
        CompletableFuture<Throwable> outcome = new CompletableFuture<>();
        Runnable rendering = () -> {
            try {
                template.render(Map.of("messages", List.of(1)), NOW);
                outcome.complete(new AssertionError("it rendered"));
            } catch (TemplateException e) {
                outcome.complete(e);
            } catch (Throwable e) {
                outcome.complete(new AssertionError(e));
            }
        };
        Thread.ofPlatform().start(rendering);
        assertThat(outcome.get(60, TimeUnit.SECONDS)).isInstanceOf(TemplateException.class);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"(", "[", "{'a':", "not ", "-", "1 if ", "1 if 1 else ", "f(", "a[", "x ~ (", "{{", "x is in ["})
    void shouldRefuseDeeplyNestedSources(String opening) {
        String source = "{{ " + opening.repeat(50_000);
        assertThatExceptionOfType(TemplateException.class).isThrownBy(() -> ChatTemplate.parse(source, Map.of()));
    }

    @ParameterizedTest
    @ValueSource(strings = {"{% if 1 %}", "{% for x in y %}", "{% macro f() %}", "{% set x %}", "{% filter upper %}"})
    void shouldRefuseDeeplyNestedTags(String tag) {
        String source = tag.repeat(10_000);
        assertThatExceptionOfType(TemplateException.class).isThrownBy(() -> ChatTemplate.parse(source, Map.of()));
    }

    @ParameterizedTest
    @ValueSource(strings = {" + 1", ".a", "[0]", " | string", "()", " and 1", " or 0", " * 1", " ** 1"})
    void shouldRefuseEndlessChains(String link) {
        String source = "{% set x = range %}{{ 1" + link.repeat(50_000) + " }}";
        assertThatExceptionOfType(TemplateException.class)
                .isThrownBy(() -> ChatTemplate.parse(source, Map.of()).render(Map.of(), NOW));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "part in text",
                "text.count(part)",
                "text.split(part)",
                "text | replace(part, '')",
                "text.find(part)"
            })
    void shouldCountWhatSearchesOfLongTextsCompare(String search) {
        Map<String, Object> variables = Map.of("text", "a".repeat(1_000_000), "part", "a".repeat(500_000) + "b");
        ChatTemplate template = ChatTemplate.parse("{{ " + search + " }}", Map.of());
        assertThatExceptionOfType(TemplateException.class)
                .isThrownBy(() -> template.render(variables, NOW))
                .withMessageContaining("the template takes more than");
    }

    @Test
    void shouldCountWhatStrippingComparesWithALongSet() {
        Map<String, Object> variables = Map.of("text", "a".repeat(1_000_000), "set", "b".repeat(1_000_000) + "a");
        ChatTemplate template = ChatTemplate.parse("{{ text.strip(set) }}", Map.of());
        assertThatExceptionOfType(TemplateException.class)
                .isThrownBy(() -> template.render(variables, NOW))
                .withMessageContaining("the template takes more than");
    }

    @Test
    void shouldTakeLongBranchesAndTexts() {
        StringBuilder source = new StringBuilder("{% if x == 0 %}0");
        for (int i = 1; i < 2000; i++) {
            source.append("{% elif x == ").append(i).append(" %}").append(i);
        }
        ChatTemplate template = ChatTemplate.parse(source + "{% endif %}", Map.of());
        assertThat(template.render(Map.of("x", 1999), NOW)).isEqualTo("1999");
    }

    @Test
    void shouldRenderLongConversations() {
        List<Object> messages = new ArrayList<>();
        String content = "word ".repeat(1000);
        for (int i = 0; i < 2000; i++) {
            messages.add(Map.of("role", i % 2 == 0 ? "user" : "assistant", "content", content));
        }
        ChatTemplate template = ChatTemplate.parse(
                "{% for m in messages %}{{ '<|' + m.role + '|>' + m.content | trim + '\n' }}{% endfor %}", Map.of());
        assertThat(template.render(Map.of("messages", messages), NOW)).hasSizeGreaterThan(9_990_000);
    }

    @Test
    void shouldAllowMacrosThatRecurseAsSchemasDo() {
        ChatTemplate template = ChatTemplate.parse(
                "{% macro f(x) %}{% if x is mapping %}{% for k, v in x.items() %}{{ k }}.{{ f(v) }}{% endfor %}"
                        + "{% else %}{{ x }}{% endif %}{% endmacro %}{{ f(x) }}",
                Map.of());
        Object nested = "end";
        for (int i = 0; i < 30; i++) {
            nested = Map.of("k", nested);
        }
        assertThat(template.render(Map.of("x", nested), NOW)).isEqualTo("k.".repeat(30) + "end");
    }

    @Test
    void shouldDefineToolsDocumentsAndPromptFlagAlways() {
        ChatTemplate template = ChatTemplate.parse(
                "{{ tools is none }}{{ documents is none }}{{ add_generation_prompt is false }}{{ bos_token }}",
                Map.of("bos_token", "<s>"));
        assertThat(template.render(Map.of(), NOW)).isEqualTo("TrueTrueTrue<s>");
        assertThat(template.render(Map.of("bos_token", "<b>", "tools", List.of()), NOW))
                .isEqualTo("FalseTrueTrue<b>");
    }

    @Test
    void shouldPassWideNumbersAndNullsThrough() {
        Map<String, Object> values = new HashMap<>();
        values.put("wide", new BigInteger("18446744073709551615"));
        values.put("nothing", null);
        ChatTemplate template = ChatTemplate.parse("{{ v.wide | tojson }} {{ v.nothing }} {{ v.wide > 1 }}", Map.of());
        assertThat(template.render(Map.of("v", values), NOW)).isEqualTo("18446744073709551615 None True");
    }

    @Test
    void shouldRefuseVariablesThatNestWithoutEnd() {
        List<Object> endless = new ArrayList<>();
        endless.add(endless);
        ChatTemplate template = ChatTemplate.parse("{{ x }}", Map.of());
        assertThatExceptionOfType(TemplateException.class)
                .isThrownBy(() -> template.render(Map.of("x", endless), NOW))
                .withMessageContaining("nests deeper");
    }
}
