package dev.tandem.preflight.script;

import dev.tandem.corpus.Corpus;
import dev.tandem.preflight.Finding;
import dev.tandem.preflight.script.shell.ShellException;
import dev.tandem.preflight.script.shell.ShellScript;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Start scripts of anybody: read without being run, and everything that is wrong with them is a finding with its place. */
class ScriptFuzzTest {
    @Test
    void shouldReadOrRefuseEveryScript() {
        Corpus.replay("script", ScriptFuzzTest::fuzzerTestOneInput);
    }

    public static void fuzzerTestOneInput(byte[] input) {
        String source = new String(input, StandardCharsets.UTF_8);
        ShellScript script;
        try {
            script = ShellScript.of("fuzzed", source);
        } catch (ShellException refusal) {
            Corpus.require(String.valueOf(refusal.getMessage()).startsWith("fuzzed"), "refused without the place");
            return;
        }
        script.commands().forEach(command -> Corpus.require(!command.words().isEmpty(), "a command without words"));
        if (source.contains("--c")) {
            return; // --config would read a file
        }
        for (Finding finding : ScriptCheck.checkScripts(List.of(script))) {
            Corpus.require(!finding.subject().isEmpty(), "a finding without its place");
        }
    }
}
