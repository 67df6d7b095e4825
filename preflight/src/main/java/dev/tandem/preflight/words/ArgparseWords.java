package dev.tandem.preflight.words;

import dev.tandem.node.flags.Nearest;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Words of a command line as Python's argparse reads them: several values behind one flag, {@code --flag=value}, and any prefix of a flag
 * that fits only one ({@code --prefiller-port}). Of a flag that comes twice the last one counts. Pure.
 *
 * @param values by the flag's full name without its dashes; none for a switch
 * @param problems everything that could not be read
 */
public record ArgparseWords(Map<String, List<String>> values, List<String> problems) {
    /** A flag that has grown onto the value before it, as where a continued line ends without a blank before its backslash. */
    private static final Pattern GLUED = Pattern.compile("(.+?)(--[a-z][a-z_-]*)(=.*)?");

    /**
     * Reads words.
     *
     * @param flags that take values
     * @param switches that take none
     */
    public static ArgparseWords read(List<String> words, Set<String> flags, Set<String> switches) {
        Optional<String> glued = words.stream()
                .filter(word -> !word.startsWith("--"))
                .map(GLUED::matcher)
                .filter(Matcher::matches)
                .map(match -> "'" + match.group() + "': a blank is missing before " + match.group(2)
                        + "; does a continued line end without one?")
                .findFirst();
        if (glued.isPresent()) {
            return new ArgparseWords(Map.of(), List.of(glued.get())); // whatever else there is to say follows from it
        }
        var read = new ArgparseWords(new LinkedHashMap<>(), new ArrayList<>());
        Set<String> all = new TreeSet<>(flags);
        all.addAll(switches);
        int at = 0;
        while (at < words.size()) {
            String word = words.get(at++);
            if (!word.startsWith("--")) {
                read.problems.add(word + " belongs to no flag; lists are separated by blanks");
                continue;
            }
            int equals = word.indexOf('=');
            String spelled =
                    word.substring(2, equals < 0 ? word.length() : equals).replace('_', '-');
            var taken = new ArrayList<String>();
            if (equals >= 0) {
                taken.add(word.substring(equals + 1));
            }
            while (equals < 0 && at < words.size() && !words.get(at).startsWith("--")) {
                taken.add(words.get(at++));
            }
            read.put(spelled, taken, all, switches);
        }
        return read;
    }

    private void put(String spelled, List<String> taken, Set<String> all, Set<String> switches) {
        List<String> fitting = all.contains(spelled)
                ? List.of(spelled)
                : all.stream().filter(name -> name.startsWith(spelled)).toList();
        if (fitting.size() != 1) {
            problems.add("unknown flag --" + spelled + "; "
                    + (fitting.isEmpty() ? "the nearest is --" + Nearest.of(spelled, all) : "it may mean " + fitting));
            return;
        }
        String name = fitting.getFirst();
        if (switches.contains(name) != taken.isEmpty()) {
            problems.add("--" + name + (taken.isEmpty() ? " needs a value" : " takes no value, but has " + taken));
        } else {
            values.put(name, taken);
        }
    }

    public boolean has(String name) {
        return values.containsKey(name);
    }

    public List<String> texts(String name, List<String> absent) {
        return values.getOrDefault(name, absent);
    }

    /** The value of a flag that means one; the last where there are several. */
    public String text(String name, String absent) {
        return texts(name, List.of(absent)).getLast();
    }
}
