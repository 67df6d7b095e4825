package dev.tandem.preflight.script.shell;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.preflight.Finding;
import dev.tandem.preflight.Finding.Severity;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ShellScriptTest {
    private static ShellScript read(String source) {
        return ShellScript.of("a.sh", source);
    }

    private static List<List<String>> commands(String source) {
        return read(source).commands().stream().map(ShellCommand::words).toList();
    }

    private static Finding remark(String source) {
        List<Finding> remarks = read(source).remarks();
        assertThat(remarks).hasSize(1);
        return remarks.getFirst();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "a b  c | a,b,c",
                "a 'b c' \"d e\"f | a,b c,d ef",
                "a \"\\$x \\\"y\\\"\" | a,$x \"y\"",
                "a '' | a,",
                "a b # c | a,b",
                "a b#c | a,b#c",
                "a > out 2>&1 b < in | a,b",
                "a &> out & | a",
                "a <<< text | a",
                "x=5; a $x ${x} ${y:-6} ${x:-7} | a,5,5,6,5",
                "x='1 2'; a $x \"$x\" | a,1,2,1 2",
                "x=; a $x b | a,b",
                "x=1; x=$x$x; a $x | a,11",
                "x=1; unset x; a $x b | a,b",
                "a $'b c' | a,b c"
            })
    void shouldCutWordsAsAShellDoes(String source, String words) {
        assertThat(commands(source)).containsExactly(List.of(words.split(",", -1)));
        assertThat(read(source).remarks()).isEmpty();
    }

    @Test
    void shouldCutCommandsAtEverySignBetweenThem() {
        assertThat(commands("a; b && c || d | e & f\ng"))
                .extracting(List::getFirst)
                .containsExactly("a", "b", "c", "d", "e", "f", "g");
        assertThat(commands("start() { a; }\n(b)\n")).extracting(List::getFirst).containsExactly("a", "b");
    }

    @Test
    void shouldGiveACommandWhatIsExportedWhenItsTurnComes() {
        List<ShellCommand> commands = read("export A=1\nb=2\nC=3 first\nexport A=4 D=$b\nunset A\nsecond")
                .commands();
        assertThat(commands.get(0).scene().environment())
                .containsEntry("A", "1")
                .containsEntry("C", "3")
                .hasSize(2);
        assertThat(commands.get(1).scene().environment()).containsExactly(java.util.Map.entry("D", "2"));
        assertThat(read("set -a\nx=1\n").variables()).containsEntry("x", "1");
    }

    @Test
    void shouldKnowTheLinesOfWordsAndCommands() {
        ShellCommand command =
                read("\n# note\na b \\\n  --c \\\n  '{\n}' d\ne").commands().getFirst();
        assertThat(command.location()).hasToString("a.sh:3");
        assertThat(command.wordList())
                .containsExactly(
                        new Word("a", 3), new Word("b", 3), new Word("--c", 4), new Word("{\n}", 5), new Word("d", 6));
        assertThat(command.lastLine()).isEqualTo(6);
    }

    @Test
    void shouldFollowTheFolder() {
        assertThat(read("cd /x/y/\ncd z\na\ncd -\nb").commands())
                .filteredOn(command -> command.words().size() == 1)
                .extracting(command -> command.scene().folder())
                .containsExactly("/x/y/z", "");
    }

    @Test
    void shouldPassOverLoopsAndConditions() {
        ShellScript script = read("for i in {0..15}; do hccn_tool -i $i -ip -g | grep x; done\n"
                + "if [ -z \"$M\" ]; then\n  M=1\nfi\nwhile true; do for j in 1 2; do a $j; done; done\nlast $M\n");
        assertThat(script.blocks()).extracting(Block::keyword).containsExactly("for", "if", "while");
        assertThat(script.blocks().getFirst().commands().getFirst()).startsWith("hccn_tool", "-i");
        assertThat(script.commands()).singleElement().satisfies(last -> {
            assertThat(last.words()).containsExactly("last", "$M");
            assertThat(last.scene().isUnknown(last.words().get(1))).isTrue();
        });
        assertThat(script.remarks()).isEmpty();
    }

    @Test
    void shouldRunNothingAndSayWhatOnlyARunningShellKnows() {
        ShellScript script =
                read("ip=$(hostname -I | awk '{print $1}')\nexport HCCL_IF_IP=$ip\na --host $ip --port $1 `date`\n");
        ShellCommand command = script.commands().getFirst();
        assertThat(command.words())
                .containsExactly("a", "--host", "$(hostname -I | awk '{print $1}')", "--port", "$1", "`date`");
        assertThat(command.scene().isUnknown(command.words().get(2))).isTrue();
        assertThat(command.scene().isUnknown("--port")).isFalse();
        assertThat(script.remarks()).isEmpty();
    }

    @Test
    void shouldMissAVariableThatIsSetNowhere() {
        assertThat(remark("nic_name=eth0\nexport GLOO_SOCKET_IFNAME=$nic_nam\na $nic_nam $PATH"))
                .isEqualTo(new Finding(
                        Severity.WARNING,
                        "a.sh:2",
                        "$nic_nam is set nowhere above: unless it comes from outside, nothing stands in its place",
                        "the nearest that is set is $nic_name"));
    }

    @Test
    void shouldPassOverAHereDocumentAndSaySo() {
        ShellScript script = read("cat > f <<'EOF'\nvllm serve x\nEOF\nb\n");
        assertThat(script.commands()).extracting(ShellCommand::words).containsExactly(List.of("cat"), List.of("b"));
        assertThat(script.remarks()).singleElement().satisfies(remark -> {
            assertThat(remark.subject()).isEqualTo("a.sh:1");
            assertThat(remark.found()).contains("here-document", "lines 2 to 3");
        });
        assertThat(remark("cat <<EOF\nx\n").found()).isEqualTo("the here-document is not closed by EOF");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "a b\\\\n--c | ERROR | 1 | become one word | a,b,--c",
                "a b\\\\nc | WARNING | 1 | become one word | a,bc",
                "a b\\\\n c | WARNING | 1 | stay apart only because | a,b,c",
                "a b \\ \\n --c | ERROR | 1 | not the last character of line 1 | a,b,--c",
                "a b \\ # why\\n --c | ERROR | 1 | not the last character of line 1 | a,b,--c",
                "a b \\\\n# why\\n --c | ERROR | 2 | this comment ends the command | a,b,--c",
                "a b \\\\n\\n --c | ERROR | 2 | this line is empty | a,b,--c",
                "a b \\\\n\\nc | NOTE | 1 | has nothing to continue | a,b",
                "curl b \\\\nvllm serve | ERROR | 1 | makes the next line, which begins with vllm | curl,b",
                "a 'b | ERROR | 1 | is not closed | a,b\\n\\n",
                "a b\\r\\nc | ERROR | 1 | Windows line ends | a,b"
            })
    void shouldReportContinuedLinesThatGoWrongAndReadOn(
            String source, Severity severity, int line, String found, String words) {
        String script = source.replace("\\r", "\r").replace("\\n", "\n") + "\n";
        Finding remark = remark(script);
        assertThat(remark.severity()).isEqualTo(severity);
        assertThat(remark.subject()).isEqualTo("a.sh:" + line);
        assertThat(remark.found()).contains(found);
        assertThat(remark.fix()).isNotEmpty();
        assertThat(commands(script).getFirst())
                .isEqualTo(List.of(words.replace("\\n", "\n").split(",", -1)));
    }

    @Test
    void shouldBoundWhatItReads() {
        assertThatThrownBy(() -> read("a ".repeat(1 << 20))).isInstanceOf(ShellException.class);
        assertThatThrownBy(() -> read("a\n".repeat(2000))).hasMessageContaining("more than 1000 commands");
        assertThatThrownBy(() -> read("x=0123456789\n" + "x=$x$x\n".repeat(40)))
                .hasMessageContaining("its variables grow beyond");
        var names = new StringBuilder();
        for (int i = 0; i < 2000; i++) {
            names.append("x").append(i).append("=1\n");
        }
        assertThatThrownBy(() -> read(names.toString())).hasMessageContaining("more than 1000 variables");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "\\", "$", "${", "$(", "\"", "'", "`", "a <", "a <<", "a >", "(", ")", "done", "for", "a &", "x=(",
                "\"\\", "a 2>"
            })
    void shouldReadEveryBrokenEndWithoutFailing(String source) {
        assertThat(read(source)).isNotNull();
        assertThat(read("a " + source + "\n\n")).isNotNull();
    }

    @Test
    void shouldReadAnyTextWithoutFailing() {
        String signs = "ab=$(){}[]<>|&;#'\"`\\\n \t-${}x=1\nfor i in a; do\ndone\nexport A=\\\n<<E\nE\n";
        var random = new java.util.Random(24);
        for (int round = 0; round < 3000; round++) {
            var text = new StringBuilder();
            for (int i = random.nextInt(60); i >= 0; i--) {
                int at = random.nextInt(signs.length());
                text.append(signs, at, Math.min(signs.length(), at + 1 + random.nextInt(3)));
            }
            assertThat(read(text.toString()).commands())
                    .as(text.toString())
                    .allSatisfy(command -> assertThat(command.lastLine())
                            .isGreaterThanOrEqualTo(command.location().line()));
        }
    }

    @Test
    void shouldLeaveOutNulsAsAShellDoesAndSaySo() {
        ShellScript script = read("a\nb\0c d\n");
        assertThat(script.commands().getLast().words()).containsExactly("bc", "d");
        assertThat(script.remarks()).singleElement().satisfies(remark -> {
            assertThat(remark.subject()).isEqualTo("a.sh:2");
            assertThat(remark.found()).contains("NUL characters");
        });
    }
}
