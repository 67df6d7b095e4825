package dev.tandem.text.template;

import java.time.LocalDateTime;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongFunction;

/**
 * A chat template: a bounded Jinja subset with the settings of Hugging Face transformers (trim_blocks, lstrip_blocks, loop controls,
 * Python's {@code tojson}, values that templates cannot change). Templates are untrusted: steps, text, nesting and sequence sizes are
 * limited, so rendering ends within about a second whatever the source says. Parsing refuses what it does not know, by name and line.
 * Immutable, thread-safe.
 */
public final class ChatTemplate {
    private static final int MAX_SOURCE = 1 << 20;

    private final List<Statement> statements;
    private final Map<String, Object> globals = new HashMap<>(TemplateFunctions.all());

    private ChatTemplate(List<Statement> statements, Map<String, String> specialTokens) {
        this.statements = statements;
        globals.putAll(specialTokens);
    }

    /**
     * Reads a template.
     *
     * @param specialTokens {@code bos_token}, {@code eos_token}, … as variables
     * @throws TemplateException when the source is not a template or uses what is not known
     */
    public static ChatTemplate parse(String source, Map<String, String> specialTokens) {
        if (source.length() > MAX_SOURCE) {
            throw new TemplateException("the template has " + source.length() + " characters, more than " + MAX_SOURCE);
        }
        return new ChatTemplate(TemplateParser.parse(source), specialTokens);
    }

    /** Characters of all texts in variables, names included. */
    public static long countCharacters(Map<String, Object> variables) {
        return PythonValues.countCharacters(variables);
    }

    /**
     * Renders a conversation. {@code tools} and {@code documents} are none and {@code add_generation_prompt} is false where absent.
     *
     * @param variables {@code messages}, {@code tools}, {@code add_generation_prompt} and the request's further variables, as plain
     *     maps, lists, strings, numbers, booleans and nulls; they win over special tokens of the same name
     * @param now what {@code strftime_now} shows
     * @throws TemplateException when the template refuses or a limit is reached
     */
    public String render(Map<String, Object> variables, LocalDateTime now) {
        return render(variables, now, TemplateBudget::of);
    }

    /** With the budget that is made of the number of characters in the variables. */
    String render(Map<String, Object> variables, LocalDateTime now, LongFunction<TemplateBudget> allowed) {
        Scope scope = new Scope(null);
        globals.forEach(scope::set);
        scope.set("tools", TemplateValues.None.NONE);
        scope.set("documents", TemplateValues.None.NONE);
        scope.set("add_generation_prompt", false);
        long inputCharacters = 0;
        for (Map.Entry<String, Object> variable : variables.entrySet()) {
            Object value = PythonValues.fromOutside(variable.getValue(), 0);
            inputCharacters += PythonValues.countCharacters(value);
            scope.set(variable.getKey(), value);
        }
        TemplateBudget budget = allowed.apply(inputCharacters);
        BoundedText output = new BoundedText(budget);
        try {
            new TemplateRun(budget, now).statements().runAll(statements, new Scope(scope), output);
        } catch (StackOverflowError e) { // the nesting limit is below any usual stack; a caller's may be smaller
            throw new TemplateException("the template nests deeper than the thread's stack");
        }
        return output.toString();
    }
}
