package dev.tandem.cli;

import dev.tandem.api.access.ApiKeys;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.util.Base64;
import java.util.List;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.TypeConversionException;

/** {@code tandem key NAME}: makes a key for a client, and the line of the key file that lets it in. */
final class KeyCommand implements Verb {
    private static final int KEY_BYTES = 32;

    @Override
    public String summary() {
        return "make an API key, and its line for --api-key-file";
    }

    private Grammar grammar() {
        return new Grammar("key", summary())
                .argument("NAME", true, String.class, KeyCommand::name, "whom it is for: in logs and metrics")
                .flag("--stdin", "hash the key that standard input holds instead of making one")
                .footer("""
                        The first line is the key: give it to the client, it is kept nowhere. The second is for the file of --api-key-file.
                        """);
    }

    private static String name(String text) {
        if (!ApiKeys.isName(text)) {
            throw new TypeConversionException(
                    text + " has more than 64 characters, or others than A-Z a-z 0-9 . _ @ -");
        }
        return text;
    }

    @Override
    public CommandSpec spec() {
        return grammar().spec();
    }

    @Override
    public int run(List<String> arguments) throws IOException {
        VerbArguments read = grammar().read(arguments);
        if (read.isHelpAsked()) {
            System.out.print(grammar().help());
            return Exit.WELL;
        }
        read.refuseProblems();
        String key = read.has("--stdin") ? given() : made();
        if (!ApiKeys.isSendable(key)) {
            read.problem("the key of standard input is empty or has other than visible ASCII characters");
            read.refuseProblems();
        }
        if (!read.has("--stdin")) {
            System.out.println(key);
        }
        System.out.println(read.argument(0, String.class).orElseThrow() + " " + ApiKeys.hash(key));
        return Exit.WELL;
    }

    private static String given() throws IOException {
        return new String(System.in.readNBytes(1 << 16), StandardCharsets.UTF_8).strip();
    }

    private static String made() {
        byte[] random = new byte[KEY_BYTES];
        new SecureRandom().nextBytes(random);
        return Base64.getUrlEncoder().withoutPadding().encodeToString(random);
    }
}
