package dev.tandem.preflight.shell;

import java.util.ArrayList;
import java.util.List;

/**
 * A command of a script.
 *
 * @param place of its first word
 * @param lastLine on which it ends
 * @param wordList at least one
 * @param scene where it runs
 */
public record ShellCommand(Place place, int lastLine, List<Word> wordList, Scene scene) {
    public ShellCommand {
        wordList = List.copyOf(wordList);
    }

    /** The words as texts. */
    public List<String> words() {
        return wordList.stream().map(Word::text).toList();
    }

    /** A place on another line of the same script. */
    public Place at(int line) {
        return new Place(place.file(), line);
    }

    /** This command and the next one as one, as they would be with a backslash between. */
    public ShellCommand and(ShellCommand next) {
        var all = new ArrayList<>(wordList);
        all.addAll(next.wordList);
        return new ShellCommand(place, next.lastLine, all, scene);
    }
}
