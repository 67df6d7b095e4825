package dev.tandem.preflight.script.shell;

import java.util.List;

/**
 * A loop or a condition, which is recognised and passed over: how often its commands run only a shell knows.
 *
 * @param location of its keyword
 * @param keyword {@code for}, {@code while}, {@code until}, {@code if} or {@code case}
 * @param commands the words of those inside
 */
public record Block(SourceLocation location, String keyword, List<List<String>> commands) {
    public Block {
        commands = List.copyOf(commands);
    }
}
