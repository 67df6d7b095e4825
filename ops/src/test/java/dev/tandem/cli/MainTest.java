package dev.tandem.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.assertj.core.api.InstanceOfAssertFactories.STRING;

import dev.tandem.node.flags.FlagException;
import dev.tandem.transfer.TransferConfig;
import dev.tandem.transfer.tool.TransferTarget;
import dev.tandem.trust.AddressList;
import dev.tandem.trust.ClusterSecret;
import dev.tandem.trust.PeerTrust;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Help, completion and refusals of every verb. */
class MainTest {
    private static List<String> problems(Verb verb, String line) {
        return catchThrowableOfType(FlagException.class, () -> verb.run(List.of(line.split(" "))))
                .problems();
    }

    private static String printed(String... arguments) {
        PrintStream out = System.out;
        var bytes = new ByteArrayOutputStream();
        System.setOut(new PrintStream(bytes, true, StandardCharsets.UTF_8));
        try {
            assertThat(Main.run(List.of(arguments))).isEqualTo(Exit.WELL);
        } finally {
            System.setOut(out);
        }
        return bytes.toString(StandardCharsets.UTF_8);
    }

    @Test
    void shouldReportAllProblemsOfUp() {
        assertThat(problems(new UpCommand(), "a.yaml --jsn --onec --model"))
                .containsExactly(
                        "unknown flag --jsn; the nearest is --json",
                        "unknown flag --onec; the nearest is --once",
                        "--model needs a value");
        assertThat(problems(new UpCommand(), "a.yaml b.yaml")).containsExactly("unexpected argument b.yaml");
    }

    @Test
    void shouldReportAllProblemsOfVerify() {
        assertThat(problems(new VerifyCommand(), "::: --deadline 0 --jsom --nodes :::"))
                .containsExactly(
                        "unknown flag --jsom; the nearest is --json",
                        "URL ::: is not HOST:PORT nor http[s]://HOST:PORT[/PATH]",
                        "--deadline 0 is outside [1, 86400]",
                        "--nodes ::: is not HOST:PORT nor http[s]://HOST:PORT[/PATH]");
        assertThat(problems(new VerifyCommand(), "--deadline x --model"))
                .containsExactly(
                        "--deadline must be a whole number, such as 4096 or 32k, not x",
                        "--model needs a value",
                        "URL is missing");
    }

    @Test
    void shouldReportAllProblemsOfInspect() {
        assertThat(problems(new InspectCommand(), "--jso"))
                .containsExactly("unknown flag --jso; the nearest is --json", "CHECKPOINT is missing");
        assertThat(problems(new InspectCommand(), "a b c"))
                .containsExactly("unexpected argument b", "unexpected argument c");
    }

    @Test
    void shouldReportAllProblemsOfQuantize() {
        assertThat(problems(new QuantizeCommand(), "in --scheme w4 --scale-dtype f8 --shard-size 0"))
                .containsExactly(
                        "--scheme must be w8a8-dynamic, not 'w4'; static schemes need activations of sample prompts, which"
                                + " this command does not collect",
                        "--scale-dtype must be one of float32, bfloat16, not f8",
                        "--shard-size 0 is outside [1, 9223372036854775807]",
                        "OUT is missing");
        assertThat(problems(new QuantizeCommand(), "in out")).containsExactly("--scheme is missing");
    }

    @Test
    void shouldReportAllProblemsOfTransfer() {
        assertThat(problems(new TransferCommand(), "bench --op x --threads 0 --secs -1 --block 0 --trget y"))
                .containsExactly(
                        "unknown flag --trget; the nearest is --target",
                        "--op must be one of read, write, not x",
                        "--threads 0 is outside [1, 2147483647]",
                        "--secs -1 is outside (0, 86400] seconds",
                        "--block 0 is outside [1, 9223372036854775807]",
                        "--target is missing");
        assertThat(problems(new TransferCommand(), "target --size 0"))
                .containsExactly("--size 0 is outside [1, 9223372036854775807]");
        assertThat(problems(new TransferCommand(), "read --pace 1 --addr x"))
                .containsExactly(
                        "unknown flag --pace; the nearest is --host",
                        "--addr must be a whole number, such as 4096 or 32k, not x",
                        "--target is missing");
    }

    @Test
    void shouldReportAllProblemsOfCheck() {
        assertThat(problems(new CheckCommand(), "a.yaml --device a9 --devices 0 --ssh root@ --jsonn -- m"))
                .containsExactly(
                        "unknown flag --jsonn; the nearest is --json",
                        "--device must be one of auto, cpu, a2, a3, not a9",
                        "--devices 0 is outside [1, 256]",
                        "--ssh needs --peers, the machines to go to",
                        "arguments of serve behind -- are of this machine's node: leave out --ssh");
        assertThat(problems(new CheckCommand(), "a.yaml --script --json --json"))
                .containsExactly(
                        "--json is given twice",
                        "--script needs the paths of start scripts",
                        "--script reads scripts and nothing else: leave out the topology, --peers and --");
        assertThat(problems(new CheckCommand(), "--peers 10.0.0.1 10.0.0.1 --local-ip 10.0.0.2 --ports 5-4"))
                .containsExactly(
                        "--ports '5-4' is outside [1, 65535], runs backwards, or makes more than 4096 ports",
                        "--peers names an address twice: [10.0.0.1, 10.0.0.1]",
                        "--local-ip 10.0.0.2 is none of the peers [10.0.0.1, 10.0.0.1]");
    }

    @Test
    void shouldReportAllProblemsOfServe() {
        assertThat(problems(
                        new ServeCommand(),
                        "m --port 99999 --max-num-seqs 0 --prot 3 --max-num-batched-tokens 64 --dtype int4"
                                + " --pipeline-parallel-size 2 --headless --api-server-count 3"))
                .containsExactlyInAnyOrder(
                        "unknown flag --prot; the nearest is --port",
                        "--pipeline-parallel-size 2 is refused: models are cut by tensor and by expert, never by layer (1"
                                + " would do)",
                        "--api-server-count 3 contradicts --headless, which has no HTTP; leave one out",
                        "--dtype must be one of auto, float32, float, bfloat16, float16, half, not int4",
                        "--port 99999 is outside [0, 65535]",
                        "--max-num-seqs 0 is outside [1, 65536]");
    }

    @Test
    void shouldReportAllProblemsOfProxy() {
        assertThat(problems(
                        new ProxyCommand(),
                        "--port 99999 --prefiller-hosts a b --prefiller-ports 1 x --max-retrys 3 --layerwise --host 0.0.0.0"
                                + " --local-prefill no"))
                .containsExactlyInAnyOrder(
                        "unknown flag --max-retrys; the nearest is --max-retries",
                        "--port 99999 is outside [0, 65535]",
                        "--prefiller-ports must be a whole number, such as 4096 or 32k, not x",
                        "--local-prefill must be one of allow, refuse, not no",
                        "--layerwise with --host 0.0.0.0: decode nodes post to the gateway and need its address; give it as"
                                + " --host, or beside it as --advertised-host");
    }

    @Test
    void shouldReportAllProblemsOfRankTable() {
        assertThat(problems(
                        new RankTableCommand(),
                        "--ips 192.0.0.1 192.0.0.1 --npus-per-node 2 --prefill-device-cnt 9 --decode-device-cnt 1"
                                + " --outptu x --print"))
                .containsExactlyInAnyOrder(
                        "unknown flag --outptu; the nearest is --output",
                        "--ips has 192.0.0.1 twice",
                        "--network-card-name is missing; ifconfig lists the cards",
                        "--print shows what --ssh would start; without --ssh nothing is started elsewhere");
    }

    @Test
    void shouldReadFromATargetThatAsksForTheClustersSecret(@TempDir Path folder) throws IOException {
        Path token = Files.writeString(folder.resolve("token"), "the cluster's secret");
        var trust = new PeerTrust(ClusterSecret.inFile(token), AddressList.empty());
        try (TransferTarget target =
                TransferTarget.open(TransferConfig.of("127.0.0.1").with(trust), 4)) {
            target.memory().setString(0, "abc");
            String peer = target.engine().segmentName();
            String at = "" + target.memory().address();
            assertThat(printed(
                            "transfer",
                            "read",
                            "--target",
                            peer,
                            "--addr",
                            at,
                            "--cluster-token-file",
                            token.toString()))
                    .isEqualTo("abc\0");
            assertThat(Main.run(List.of("transfer", "read", "--target", peer, "--addr", at)))
                    .isEqualTo(Exit.FAILED);
            assertThat(problems(new TransferCommand(), "read --target " + peer + " --cluster-token-file /nowhere"))
                    .singleElement(STRING)
                    .contains("/nowhere");
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "up",
                "serve",
                "proxy",
                "check",
                "inspect",
                "quantize",
                "ranktable",
                "transfer",
                "verify",
                "completion"
            })
    void shouldHelpWithEveryVerb(String verb) {
        String help = printed(verb, "--help");
        assertThat(help).contains("usage: tandem " + verb);
        assertThat(printed("help", verb)).isEqualTo(help);
        assertThat(printed("--help")).contains("  " + verb + " ");
    }

    @Test
    void shouldHelpOnPartsOfForeignGrammars() {
        assertThat(printed("serve", "--help=ParallelConfig")).contains("--tensor-parallel-size, -tp");
        assertThat(printed("proxy", "--help=hosts")).contains("--decoder-hosts").doesNotContain("--layerwise");
        assertThat(printed("ranktable", "--help=ssh")).contains("--ssh").doesNotContain("--ips ");
    }

    @Test
    void shouldNameTheNearestCommandAndSayWhatIsWrongByItsStatus() {
        assertThat(Main.run(List.of())).isEqualTo(Exit.WRONG_ARGUMENTS);
        assertThat(Main.run(List.of("srve"))).isEqualTo(Exit.WRONG_ARGUMENTS);
        assertThat(Main.run(List.of("transfer"))).isEqualTo(Exit.WRONG_ARGUMENTS);
        assertThat(Main.run(List.of("transfer", "bnch"))).isEqualTo(Exit.WRONG_ARGUMENTS);
        assertThat(Main.run(List.of("inspect"))).isEqualTo(Exit.WRONG_ARGUMENTS);
        assertThat(Main.run(List.of("inspect", "/nowhere"))).isEqualTo(Exit.FAILED);
        assertThat(printed("--version")).startsWith("tandem ");
    }

    @Test
    void shouldCompleteVerbsAndFlagsOfBothReaders() {
        assertThat(printed("completion", "bash"))
                .contains(
                        "complete -F _complete_tandem", "--max-num-batched-tokens", "--prefiller-hosts", "--deadline");
    }
}
