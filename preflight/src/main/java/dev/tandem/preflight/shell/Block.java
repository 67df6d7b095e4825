package dev.tandem.preflight.shell;

import java.util.List;

/**
 * A loop or a condition, which is recognised and passed over: how often its commands run only a shell knows.
 *
 * @param place of its keyword
 * @param keyword {@code for}, {@code while}, {@code until}, {@code if} or {@code case}
 * @param commands the words of those inside
 */
public record Block(Place place, String keyword, List<List<String>> commands) {
    public Block {
        commands = List.copyOf(commands);
    }
}
