package dev.tandem.preflight.script.shell;

import dev.tandem.node.flags.Nearest;
import dev.tandem.preflight.Finding;
import dev.tandem.preflight.Finding.Severity;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * What a script has said so far: variables, the folder, commands, the block that is open. Fed by {@link ShellReader} with one command
 * after the other, on one thread.
 */
final class ShellState {
    private static final Pattern ASSIGNMENT = Pattern.compile("([A-Za-z_]\\w*)(\\+?)=(.*)", Pattern.DOTALL);
    private static final Pattern NAME = Pattern.compile("[A-Za-z_]\\w*");
    private static final Set<String> OPENING = Set.of("for", "while", "until", "select", "if", "case");
    private static final Set<String> CLOSING = Set.of("done", "fi", "esac");
    private static final Set<String> PASSING = Set.of("do", "then", "else", "elif", "{", "}", "!", "function");
    private static final Set<String> DECLARING = Set.of("export", "readonly", "local", "declare", "typeset");
    /** Variables that every shell has from outside. */
    private static final Set<String> OUTSIDE = Set.of(
            "PATH",
            "LD_LIBRARY_PATH",
            "LD_PRELOAD",
            "LIBRARY_PATH",
            "CPATH",
            "PYTHONPATH",
            "HOME",
            "USER",
            "PWD",
            "HOSTNAME",
            "SHELL",
            "LANG",
            "TMPDIR",
            "LOGNAME",
            "RANDOM",
            "SECONDS");

    private static final int MOST_COMMANDS = 1000;
    private static final int MOST_NAMES = 1000;
    private static final int CLOSE_NAME = 2;

    private final String file;
    private final Map<String, String> values = new LinkedHashMap<>();
    private final Map<String, Integer> lines = new HashMap<>();
    private final Set<String> exported = new LinkedHashSet<>();
    private final Set<String> unset = new HashSet<>();
    private final Set<String> unknown = new LinkedHashSet<>();
    private final Set<String> missed = new LinkedHashSet<>();
    private final Set<String> missedBefore = new HashSet<>();
    private final List<ShellCommand> commands = new ArrayList<>();
    private final List<Block> blocks = new ArrayList<>();
    private final List<List<String>> inside = new ArrayList<>();
    private final List<Finding> remarks = new ArrayList<>();
    private String folder = "";
    private String keyword = "";
    private int blockLine;
    private int depth;
    private boolean exportsAll;

    ShellState(String file) {
        this.file = file;
    }

    ShellScript script() {
        if (depth > 0) {
            error(blockLine, "the " + keyword + " of this line is not closed", "close it with done, fi or esac");
        }
        return new ShellScript(environment(), commands, blocks, remarks);
    }

    SourceLocation at(int line) {
        return new SourceLocation(file, line);
    }

    void error(int line, String found, String fix) {
        remarks.add(new Finding(Severity.ERROR, at(line).toString(), found, fix));
    }

    void warning(int line, String found, String fix) {
        remarks.add(new Finding(Severity.WARNING, at(line).toString(), found, fix));
    }

    void note(int line, String found, String fix) {
        remarks.add(new Finding(Severity.NOTE, at(line).toString(), found, fix));
    }

    /** A text that stands for what only a running shell knows. */
    String unknown(String spelling) {
        unknown.add(spelling);
        if (unknown.size() > MOST_NAMES) {
            throw new ShellException(at(0), "more than " + MOST_NAMES + " things that only a running shell knows");
        }
        return spelling;
    }

    boolean isUnknown(String text) {
        return unknown.stream().anyMatch(text::contains);
    }

    /** The value of a variable; empty when the script does not set it. */
    Optional<String> value(String name) {
        if (unset.contains(name)) {
            return Optional.of("");
        }
        return Optional.ofNullable(values.get(name));
    }

    /** The value of a variable, or its spelling, which is reported with the command that needs it. */
    String valueOrSpelling(String name, String spelling) {
        Optional<String> value = value(name);
        if (value.isEmpty() && !OUTSIDE.contains(name)) {
            missed.add(name);
        }
        return value.orElseGet(() -> unknown(spelling));
    }

    /** Takes the next command; at least one word. */
    void command(List<Word> words, int lastLine) {
        int first = 0;
        while (first < words.size() && PASSING.contains(words.get(first).text())) {
            first++;
        }
        List<Word> rest = words.subList(first, words.size());
        if (!rest.isEmpty()) {
            sort(rest, lastLine);
        }
        missed.clear();
    }

    private void sort(List<Word> words, int lastLine) {
        String first = words.getFirst().text();
        if (OPENING.contains(first)) {
            open(first, words.getFirst().line());
        } else if (CLOSING.contains(first)) {
            close();
        } else if (depth > 0) {
            inside.add(words.stream().map(Word::text).toList());
        } else {
            plain(words, lastLine);
        }
    }

    private void open(String first, int line) {
        if (depth == 0) {
            keyword = first;
            blockLine = line;
        }
        depth++;
    }

    private void close() {
        if (depth > 0 && --depth == 0) {
            blocks.add(new Block(at(blockLine), keyword, inside));
            for (List<String> words : inside) {
                int from = DECLARING.contains(words.getFirst()) ? 1 : 0;
                words.subList(from, words.size()).stream()
                        .map(ASSIGNMENT::matcher)
                        .takeWhile(java.util.regex.Matcher::matches)
                        .forEach(match -> set(match.group(1), unknown("$" + match.group(1)), blockLine));
            }
            inside.clear();
        }
    }

    private void plain(List<Word> words, int lastLine) {
        reportMissed(words.getFirst().line());
        String first = words.getFirst().text();
        List<String> rest = words.stream().skip(1).map(Word::text).toList();
        if (DECLARING.contains(first)) {
            words.stream().skip(1).forEach(word -> declare(first, word));
        } else if (first.equals("unset")) {
            rest.stream().filter(word -> !word.startsWith("-")).forEach(this::unset);
        } else if (first.equals("set")) {
            exportsAll |= rest.contains("-a") || rest.contains("allexport");
        } else if (first.equals("cd")) {
            changeFolder(words);
            add(words, lastLine);
        } else if (words.stream()
                .allMatch(word -> ASSIGNMENT.matcher(word.text()).matches())) {
            words.forEach(word -> declare("", word));
        } else {
            if (first.equals("source") || first.equals(".")) {
                note(
                        words.getFirst().line(),
                        String.join(" ", rest) + " is not read: what it sets is not known here",
                        "");
            }
            add(words, lastLine);
        }
    }

    private void reportMissed(int line) {
        for (String name : missed) {
            if (missedBefore.add(name)) {
                String nearest = Nearest.of(name, values.keySet());
                boolean isClose = !nearest.isEmpty() && Nearest.distance(name, nearest) <= CLOSE_NAME;
                warning(
                        line,
                        "$" + name + " is set nowhere above: unless it comes from outside, nothing stands in its place",
                        isClose ? "the nearest that is set is $" + nearest : "set it in front of this line");
            }
        }
    }

    private void declare(String how, Word word) {
        var match = ASSIGNMENT.matcher(word.text());
        String name = match.matches() ? match.group(1) : word.text();
        if (!NAME.matcher(name).matches()) {
            return; // an option such as -x
        }
        if (match.matches()) {
            String before = match.group(2).isEmpty() ? "" : values.getOrDefault(name, "");
            set(name, before + match.group(3), word.line());
        }
        if (how.equals("export") || exportsAll) {
            exported.add(name);
        }
    }

    private void set(String name, String value, int line) {
        values.put(name, value);
        lines.put(name, line);
        unset.remove(name);
        if (values.size() > MOST_NAMES) {
            throw new ShellException(at(0), "more than " + MOST_NAMES + " variables: not a start script");
        }
    }

    private void unset(String name) {
        values.remove(name);
        exported.remove(name);
        unset.add(name);
    }

    private void changeFolder(List<Word> words) {
        String to = words.size() == 2 ? words.get(1).text() : "~";
        boolean isAbsolute = to.startsWith("/") || folder.isEmpty();
        folder =
                to.startsWith("~") || to.equals("-") ? "" : (isAbsolute ? to : folder + "/" + to).replaceAll("/+$", "");
    }

    private void add(List<Word> words, int lastLine) {
        if (commands.size() == MOST_COMMANDS) {
            throw new ShellException(at(lastLine), "more than " + MOST_COMMANDS + " commands: not a start script");
        }
        var environment = environment();
        int first = 0;
        while (ASSIGNMENT.matcher(words.get(first).text()).matches()) {
            var match = ASSIGNMENT.matcher(words.get(first++).text());
            if (match.matches()) {
                environment.put(match.group(1), match.group(3));
                lines.put(match.group(1), words.getFirst().line());
            }
        }
        List<Word> own = words.subList(first, words.size());
        var ownLines = new HashMap<>(lines);
        ownLines.keySet().retainAll(environment.keySet());
        commands.add(new ShellCommand(
                at(own.getFirst().line()), lastLine, own, new Scene(folder, environment, ownLines, unknown)));
    }

    private Map<String, String> environment() {
        var environment = new LinkedHashMap<String, String>();
        for (String name : exported) {
            if (values.containsKey(name)) {
                environment.put(name, values.getOrDefault(name, ""));
            }
        }
        return environment;
    }
}
