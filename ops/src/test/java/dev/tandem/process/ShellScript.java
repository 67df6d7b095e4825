package dev.tandem.process;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The part of the shell that the deployment guides need: words, both sorts of quotes, a backslash at the end of a line, comments,
 * {@code NAME=value}, {@code export}, {@code unset} and {@code $NAME}.
 *
 * @param variables exported ones, by name
 * @param commands all others, as words
 */
public record ShellScript(Map<String, String> variables, List<List<String>> commands) {
    public ShellScript {
        commands = List.copyOf(commands);
    }

    /** Reads a script. */
    public static ShellScript of(String source) {
        var script = new Reader(source);
        script.read();
        return new ShellScript(script.exported, script.commands);
    }

    private static final class Reader {
        private final String source;
        private final Map<String, String> variables = new LinkedHashMap<>();
        private final Map<String, String> exported = new LinkedHashMap<>();
        private final List<List<String>> commands = new ArrayList<>();
        private final List<String> words = new ArrayList<>();
        private final StringBuilder word = new StringBuilder();
        private boolean isInWord;
        private int at;

        Reader(String source) {
            this.source = source + "\n";
        }

        void read() {
            while (at < source.length()) {
                char next = source.charAt(at++);
                switch (next) {
                    case '\\' -> escape();
                    case '\'' -> quoted();
                    case '"' -> doubleQuoted();
                    case '$' -> expand();
                    case ' ', '\t' -> endWord();
                    case '\n', ';' -> endCommand();
                    case '#' -> comment();
                    default -> add(next);
                }
            }
        }

        private void add(char next) {
            word.append(next);
            isInWord = true;
        }

        private void escape() {
            char escaped = source.charAt(at++);
            if (escaped != '\n') {
                add(escaped);
            }
        }

        private void quoted() {
            int end = source.indexOf('\'', at);
            word.append(source, at, end);
            isInWord = true;
            at = end + 1;
        }

        private void doubleQuoted() {
            isInWord = true;
            for (char next = source.charAt(at++); next != '"'; next = source.charAt(at++)) {
                if (next == '$') {
                    expand();
                } else {
                    word.append(next);
                }
            }
        }

        private void expand() {
            int end = at;
            while (Character.isLetterOrDigit(source.charAt(end)) || source.charAt(end) == '_') {
                end++;
            }
            word.append(variables.getOrDefault(source.substring(at, end), ""));
            isInWord = true;
            at = end;
        }

        private void comment() {
            if (isInWord) {
                add('#');
            } else {
                at = source.indexOf('\n', at);
            }
        }

        private void endWord() {
            if (isInWord) {
                words.add(word.toString());
                word.setLength(0);
                isInWord = false;
            }
        }

        private void endCommand() {
            endWord();
            if (words.isEmpty()) {
                return;
            }
            List<String> command = List.copyOf(words);
            words.clear();
            switch (command.getFirst()) {
                case "export" -> command.subList(1, command.size()).forEach(this::export);
                case "unset" -> command.subList(1, command.size()).forEach(variables::remove);
                default -> {
                    if (command.size() == 1 && command.getFirst().matches("\\w+=.*")) {
                        assign(command.getFirst());
                    } else {
                        commands.add(command);
                    }
                }
            }
        }

        private void assign(String word) {
            variables.put(word.substring(0, word.indexOf('=')), word.substring(word.indexOf('=') + 1));
        }

        private void export(String word) {
            assign(word);
            String name = word.substring(0, word.indexOf('='));
            exported.put(name, String.valueOf(variables.get(name)));
        }
    }
}
