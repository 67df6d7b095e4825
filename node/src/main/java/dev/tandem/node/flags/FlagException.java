package dev.tandem.node.flags;

import java.util.List;

/** A command line that cannot be carried out: all its problems together, each naming the flag, the value and the fix. */
public final class FlagException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final transient List<String> problems;

    public FlagException(List<String> problems) {
        super(String.join("\n", problems));
        this.problems = List.copyOf(problems);
    }

    public FlagException(String problem) {
        this(List.of(problem));
    }

    public List<String> problems() {
        return problems;
    }
}
