package dev.tandem.text.template;

import dev.tandem.text.template.TemplateFilters.Filter;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Filters that see their value as a string. */
final class TextFilters {
    private static final Pattern WORD = Pattern.compile("\\w++", Pattern.UNICODE_CHARACTER_CLASS);

    private TextFilters() {}

    static Map<String, Filter> all() {
        return Map.ofEntries(
                Map.entry("string", (value, arguments, run) -> run.text(value)),
                Map.entry("safe", (value, arguments, run) -> run.text(value)),
                Map.entry("upper", (value, arguments, run) -> run.budget().text(PythonText.upper(run.text(value)))),
                Map.entry("lower", (value, arguments, run) -> run.budget().text(PythonText.lower(run.text(value)))),
                Map.entry(
                        "capitalize",
                        (value, arguments, run) -> run.budget().text(PythonText.capitalize(run.text(value)))),
                Map.entry(
                        "title",
                        (value, arguments, run) -> run.budget().text(PythonText.titleOfWords(run.text(value)))),
                Map.entry("trim", TextFilters::trim),
                Map.entry("replace", TextFilters::replace),
                Map.entry("indent", TextFilters::indent),
                Map.entry("escape", TextFilters::escape),
                Map.entry("e", TextFilters::escape),
                Map.entry("forceescape", TextFilters::escape),
                Map.entry("wordcount", (value, arguments, run) -> countWords(run.text(value))),
                Map.entry("format", TextFilters::format),
                Map.entry("center", TextFilters::center));
    }

    private static Object trim(Object value, Arguments arguments, TemplateRun run) {
        String set = arguments.bind("trim", "chars").string(0, "");
        return run.budget().text(PythonText.strip(run.text(value), set, true, true, run.budget()));
    }

    private static Object replace(Object value, Arguments arguments, TemplateRun run) {
        Arguments.Bound bound = arguments.bind("replace", "old", "new", "count");
        String old = run.text(bound.required(0));
        String replacement = run.text(bound.required(1));
        return PythonText.replace(run.text(value), old, replacement, bound.integer(2, -1), run.budget());
    }

    private static Object indent(Object value, Arguments arguments, TemplateRun run) {
        Arguments.Bound bound = arguments.bind("indent", "width", "first", "blank");
        String indention = bound.value(0, 4L) instanceof String unit
                ? unit
                : PythonText.repeat(" ", bound.integer(0, 4), run.budget());
        if (!(value instanceof String text)) {
            throw new TemplateException("indent takes str, not " + PythonValues.typeName(value));
        }
        boolean indentsBlank = bound.flag(2, false);
        List<String> lines = PythonText.splitLines(text + "\n", run.budget());
        BoundedText result = new BoundedText(run.budget()).append(bound.flag(1, false) ? indention : "");
        for (int i = 0; i < lines.size(); i++) {
            boolean isIndented = i > 0 && (indentsBlank || !lines.get(i).isEmpty());
            result.append(i > 0 ? "\n" : "").append(isIndented ? indention : "").append(lines.get(i));
        }
        return result.toString();
    }

    private static Object escape(Object value, Arguments arguments, TemplateRun run) {
        BoundedText text = new BoundedText(run.budget());
        String source = run.text(value);
        for (int i = 0; i < source.length(); i++) {
            switch (source.charAt(i)) {
                case '&' -> text.append("&amp;");
                case '<' -> text.append("&lt;");
                case '>' -> text.append("&gt;");
                case '\'' -> text.append("&#39;");
                case '"' -> text.append("&#34;");
                default -> text.append(source.charAt(i));
            }
        }
        return text.toString();
    }

    private static Object countWords(String text) {
        Matcher words = WORD.matcher(text);
        long count = 0;
        while (words.find()) {
            count++;
        }
        return count;
    }

    private static Object format(Object value, Arguments arguments, TemplateRun run) {
        if (!arguments.named().isEmpty()) {
            throw new TemplateException("format with named values is not supported");
        }
        return PythonFormat.percent(run.text(value), arguments.positional(), false, run.budget());
    }

    private static Object center(Object value, Arguments arguments, TemplateRun run) {
        long width = arguments.bind("center", "width").integer(0, 80);
        String text = run.text(value);
        long padding = Math.max(0, width - PythonValues.length(text));
        long left = padding / 2 + (padding & width & 1);
        String before = PythonText.repeat(" ", left, run.budget());
        String after = PythonText.repeat(" ", padding - left, run.budget());
        return run.budget().text(before + text + after);
    }
}
