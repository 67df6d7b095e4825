package dev.tandem.preflight.script.command;

import dev.tandem.preflight.script.shell.ShellCommand;
import dev.tandem.preflight.script.shell.SourceLocation;
import dev.tandem.preflight.script.shell.Word;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * A command of a program that this check knows.
 *
 * @param program which
 * @param origin whose it is
 * @param arguments the words behind the program's name, with their lines
 * @param command as it stands in the script
 */
public record Call(Program program, Origin origin, List<Word> arguments, ShellCommand command) {
    /** What a command does. */
    public enum Program {
        NODE,
        PROXY,
        LAYERWISE_PROXY,
        RANK_TABLE,
        QUESTION,
        OTHER
    }

    /** Whose program it is: both take the same arguments and do not behave alike. */
    public enum Origin {
        TANDEM,
        VLLM
    }

    private static final Set<String> WRAPPERS = Set.of("nohup", "exec", "sudo", "time", "env", "setsid");
    private static final Set<String> INTERPRETERS = Set.of("bash", "sh", "python", "python3");
    private static final String ASSIGNMENT = "[A-Za-z_]\\w*=[\\s\\S]*";

    public Call {
        arguments = List.copyOf(arguments);
    }

    public static Call of(ShellCommand command) {
        List<Word> words = command.wordList();
        int at = 0;
        while (at + 1 < words.size() && isWrapper(words.get(at).text())) {
            at++;
        }
        if (at + 1 < words.size()
                && INTERPRETERS.contains(baseName(words.get(at).text()))) {
            at++;
        }
        String program = baseName(words.get(at).text());
        String verb = at + 1 < words.size() ? words.get(at + 1).text() : "";
        List<Word> behind = words.subList(Math.min(at + 1, words.size()), words.size());
        List<Word> behindVerb = words.subList(Math.min(at + 2, words.size()), words.size());
        return switch (program) {
            case "vllm" ->
                new Call(verb.equals("serve") ? Program.NODE : Program.OTHER, Origin.VLLM, behindVerb, command);
            case "-m" ->
                new Call(
                        verb.startsWith("vllm.entrypoints.openai.api_server") ? Program.NODE : Program.OTHER,
                        Origin.VLLM,
                        behindVerb,
                        command);
            case "tandem" -> new Call(verbOfTandem(verb, behindVerb), Origin.TANDEM, behindVerb, command);
            case "load_balance_proxy_server_example.py" -> new Call(Program.PROXY, Origin.VLLM, behind, command);
            case "load_balance_proxy_layerwise_server_example.py" ->
                new Call(Program.LAYERWISE_PROXY, Origin.VLLM, behind, command);
            case "gen_ranktable.sh" -> new Call(Program.RANK_TABLE, Origin.VLLM, behind, command);
            case "curl" -> new Call(Program.QUESTION, Origin.VLLM, behind, command);
            default -> new Call(Program.OTHER, Origin.VLLM, behind, command);
        };
    }

    private static boolean isWrapper(String word) {
        return WRAPPERS.contains(word) || word.matches(ASSIGNMENT);
    }

    private static Program verbOfTandem(String verb, List<Word> words) {
        return switch (verb) {
            case "serve" -> Program.NODE;
            case "proxy" ->
                words.stream().anyMatch(word -> word.text().equals("--layerwise"))
                        ? Program.LAYERWISE_PROXY
                        : Program.PROXY;
            case "ranktable" -> Program.RANK_TABLE;
            default -> Program.OTHER;
        };
    }

    private static String baseName(String path) {
        return path.substring(path.lastIndexOf('/') + 1);
    }

    /** The arguments as texts, as the program's grammar reads them. */
    public List<String> words() {
        var texts = new ArrayList<>(arguments.stream().map(Word::text).toList());
        if (program == Program.LAYERWISE_PROXY && !texts.contains("--layerwise")) {
            texts.add("--layerwise"); // what the other program is by name
        }
        return texts;
    }

    public SourceLocation location() {
        return command.location();
    }

    public boolean has(String flag) {
        return find(flag).isPresent();
    }

    /** Where a flag stands; the command itself where it does not. */
    public SourceLocation at(String flag) {
        return find(flag).map(word -> command.at(word.line())).orElseGet(this::location);
    }

    /** Where a key stands in the JSON of a flag. */
    public SourceLocation at(String flag, String key) {
        return valueOf(flag)
                .filter(json -> json.text().contains('"' + key + '"'))
                .map(json -> command.at(
                        json.line() == 0
                                ? 0
                                : json.line()
                                        + (int) json.text()
                                                .substring(0, json.text().indexOf('"' + key + '"'))
                                                .chars()
                                                .filter(each -> each == '\n')
                                                .count()))
                .orElseGet(() -> at(flag));
    }

    /** The word behind a flag. */
    public Optional<Word> valueOf(String flag) {
        for (int i = 0; i + 1 < arguments.size(); i++) {
            if (isFlag(arguments.get(i).text(), flag)) {
                return Optional.of(arguments.get(i + 1));
            }
        }
        return Optional.empty();
    }

    /** Where an exported variable was set; the command itself where it was not. */
    public SourceLocation ofVariable(String name) {
        Integer line = command.scene().lines().get(name);
        return line == null ? location() : command.at(line);
    }

    /** Where what a parser's sentence speaks of stands: the variable, the flag or the key of the connector's JSON that it names. */
    public SourceLocation locationOf(String sentence) {
        String connector = "kv-transfer-config";
        if (sentence.startsWith(connector + ": ")) {
            String key = sentence.substring(connector.length() + 2).split(" ", 2)[0];
            if (valueOf(connector)
                    .filter(json -> json.text().contains('"' + key + '"'))
                    .isPresent()) {
                return at(connector, key);
            }
        }
        for (String word : sentence.split("[^A-Za-z0-9_.-]+", 0)) {
            Integer line = command.scene().lines().get(word);
            if (line != null) {
                return command.at(line);
            }
            if (word.startsWith("-") && find(word.replaceFirst("^--?", "")).isPresent()) {
                return at(word.replaceFirst("^--?", ""));
            }
            if (word.contains("_")
                    && valueOf(connector).isPresent()
                    && !at(connector, word).equals(at(connector))) {
                return at(connector, word);
            }
        }
        return sentence.startsWith(connector) ? at(connector) : location();
    }

    /** Refusals of a parser are errors, but for those of texts that only a running shell knows. */
    public void refuse(List<String> problems, Findings findings) {
        for (String problem : problems) {
            SourceLocation location = locationOf(problem);
            if (command.scene().isUnknown(problem)) {
                findings.note(location, "not checked, since only a running shell knows a part of it: " + problem);
            } else {
                findings.refusal(location, problem);
            }
        }
    }

    private Optional<Word> find(String flag) {
        return arguments.stream().filter(word -> isFlag(word.text(), flag)).findFirst();
    }

    private static boolean isFlag(String word, String flag) {
        String name =
                word.replaceFirst("^-+", "").replaceFirst("[=.][\\s\\S]*$", "").replace('_', '-');
        return word.startsWith("-")
                && !flag.isEmpty()
                && name.equals(flag.replace('_', '-').replaceFirst("^-+", ""));
    }
}
