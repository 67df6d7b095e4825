package dev.tandem.preflight.script.shell;

import java.util.ArrayList;
import java.util.List;

/**
 * A command of a script.
 *
 * @param location of its first word
 * @param lastLine on which it ends
 * @param wordList at least one
 * @param scene where it runs
 */
public record ShellCommand(SourceLocation location, int lastLine, List<Word> wordList, Scene scene) {
    public ShellCommand {
        wordList = List.copyOf(wordList);
    }

    /** The words as texts. */
    public List<String> words() {
        return wordList.stream().map(Word::text).toList();
    }

    /** A location on another line of the same script. */
    public SourceLocation at(int line) {
        return new SourceLocation(location.file(), line);
    }

    /** This command and the next one as one, as they would be with a backslash between. */
    public ShellCommand and(ShellCommand next) {
        var all = new ArrayList<>(wordList);
        all.addAll(next.wordList);
        return new ShellCommand(location, next.lastLine, all, scene);
    }
}
