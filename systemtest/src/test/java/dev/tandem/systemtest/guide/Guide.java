package dev.tandem.systemtest.guide;

import dev.tandem.preflight.script.shell.ShellCommand;
import dev.tandem.preflight.script.shell.ShellScript;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The scripts of a deployment guide, from its own text. */
public final class Guide {
    private Guide() {}

    /**
     * One block of commands.
     *
     * @param section the heading that it stands under
     * @param tab the tab that it stands in; empty outside of tabs
     * @param text as it is printed
     */
    public record Block(String section, String tab, String text) {
        /** Its variables and commands. */
        public ShellScript script() {
            return ShellScript.of(text);
        }

        /** The same with other addresses, names, paths. */
        public Block with(String printed, String own) {
            return new Block(section, tab, text.replace(printed, own));
        }

        /** The words behind {@code vllm}. */
        public List<String> serveArguments() {
            return Guide.serveArguments(script());
        }
    }

    /** {@code serve} and its arguments, behind the name of the program. */
    public static List<String> serveArguments(ShellScript script) {
        List<String> command = script.commands().stream()
                .map(ShellCommand::words)
                .filter(words -> words.size() > 1 && words.get(1).equals("serve"))
                .findFirst()
                .orElseThrow();
        return command.subList(1, command.size());
    }

    /** All blocks of a guide under {@code fixtures/guides}. */
    public static List<Block> blocks(String name) {
        var blocks = new ArrayList<Block>();
        String section = "";
        String tab = "";
        StringBuilder text = null;
        for (String line : lines(name)) {
            if (text != null && line.startsWith("```")) {
                blocks.add(new Block(section, tab, text.toString()));
                text = null;
            } else if (text != null) {
                text.append(line).append('\n');
            } else if (line.startsWith("```")) {
                text = new StringBuilder();
            } else if (line.startsWith("#")) {
                section = line.replaceFirst("^#+ ", "");
            } else if (line.startsWith("::::{tab-item}")) {
                tab = line.substring("::::{tab-item} ".length());
            } else if (line.equals("::::")) {
                tab = "";
            }
        }
        return blocks;
    }

    /** The blocks that start a node. */
    public static List<Block> nodes(String name) {
        return blocks(name).stream()
                .filter(block -> block.text().contains("vllm serve"))
                .toList();
    }

    private static List<String> lines(String name) {
        try {
            return Files.readAllLines(Path.of(System.getProperty("tandem.root"), "fixtures/guides", name));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
