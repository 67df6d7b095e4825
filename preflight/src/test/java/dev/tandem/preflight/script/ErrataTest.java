package dev.tandem.preflight.script;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.preflight.Finding;
import dev.tandem.preflight.Finding.Severity;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The known misprints and contradictions of deployment guides, by the number that docs/operations.md gives them: each in a script of its
 * own, with what the check says.
 */
class ErrataTest {
    private static final Path OPERATIONS = Path.of(System.getProperty("tandem.root"), "docs", "operations.md");
    /** Wording of the guides' text: no script shows it. */
    private static final Set<Integer> WORDING = Set.of(11, 12, 13, 15, 21);

    /**
     * One misprint.
     *
     * @param row its number
     * @param scripts that have it
     * @param severity what it is; WELL: accepted, and nothing above a note is said
     * @param subject file and line
     * @param found a part of the sentence
     */
    record Erratum(int row, Scripts scripts, Severity severity, String subject, String found) {
        @Override
        public String toString() {
            return row + ": " + found;
        }
    }

    private static Erratum accepted(int row, Scripts scripts) {
        return new Erratum(row, scripts, Severity.WELL, "", "accepted");
    }

    private static Erratum error(int row, Scripts scripts, String subject, String found) {
        return new Erratum(row, scripts, Severity.ERROR, subject, found);
    }

    private static Erratum warning(int row, Scripts scripts, String subject, String found) {
        return new Erratum(row, scripts, Severity.WARNING, subject, found);
    }

    private static Erratum note(int row, Scripts scripts, String subject, String found) {
        return new Erratum(row, scripts, Severity.NOTE, subject, found);
    }

    private static Scripts with(String name, String text, String other) {
        return Scripts.deployment().with(name, text, other);
    }

    /** Both nodes on one machine, with ports of their own. */
    private static Scripts onOneMachine() {
        return with("decode.sh", "198.51.100.2", "198.51.100.1")
                .with("decode.sh", "8004", "8005")
                .with("proxy.sh", "198.51.100.2", "198.51.100.1")
                .with("proxy.sh", "decoder-ports 8004", "decoder-ports 8005");
    }

    /** A decode deployment of two replicas, the second on a headless node. */
    private static Scripts withHeadlessNode() {
        String parallel = "--port 8004 \\\n  --data-parallel-size 2 --data-parallel-size-local 1"
                + " --data-parallel-address 198.51.100.2 --data-parallel-rpc-port 13389";
        Scripts scripts = with("decode.sh", "--port 8004", parallel)
                .with("decode.sh", "\"decode\": {\"dp_size\": 1", "\"decode\": {\"dp_size\": 2")
                .with("prefill.sh", "\"decode\": {\"dp_size\": 1", "\"decode\": {\"dp_size\": 2");
        return scripts.and(
                "headless.sh",
                Scripts.DECODE
                        .replace("HCCL_IF_IP=198.51.100.2", "HCCL_IF_IP=198.51.100.4")
                        .replace("--port 8004", parallel + " --headless --data-parallel-start-rank 1")
                        .replace("\"decode\": {\"dp_size\": 1", "\"decode\": {\"dp_size\": 2")
                        .replace("40100", "40200")
                        .replace("\"engine_id\": \"1\"", "\"engine_id\": \"2\""));
    }

    private static Scripts withTable(String command) {
        return Scripts.byRankTable().and("table.sh", command);
    }

    private static final String TABLE =
            "cd /shared\nbash gen_ranktable.sh --ips 198.51.100.1 198.51.100.2 --npus-per-node 2"
                    + " --network-card-name eth0 --prefill-device-cnt 2 --decode-device-cnt 1\n";

    static Stream<Erratum> rows() {
        return Stream.of(firstRows(), rowsOfPorts(), rowsOfWords(), rowsOfTheRankTable(), rowsOfBothSides(), lastRows())
                .flatMap(rows -> rows);
    }

    static Stream<Erratum> firstRows() {
        return Stream.of(
                accepted(1, with("proxy.sh", "--prefiller-ports", "--prefiller-port")),
                accepted(2, with("decode.sh", "--port 8004", "--port 8004 --max-num_seqs 16")),
                warning(
                        3,
                        with("proxy.sh", "198.51.100.1 \\\n", "198.51.100.1\\\n"),
                        "proxy.sh:4",
                        "no blank before the backslash: words stay apart only because the next line begins with one"),
                error(
                        3,
                        with(
                                "proxy.sh",
                                "--prefiller-hosts 198.51.100.1 \\\n  ",
                                "--prefiller-hosts 198.51.100.1\\\n198.51.100.1 "),
                        "proxy.sh:4",
                        "'198.51.100.1198.51.100.1' is not an address"),
                error(
                        4,
                        with("proxy.sh", "decoder-ports 8004\n", "decoder-ports 8004\\\n8004"),
                        "proxy.sh:7",
                        "80048004 is not within 1..65535"),
                error(
                        5,
                        with("decode.sh", "\"engine_id\": \"1\"", "\"engine_id\": \"0\""),
                        "decode.sh:13",
                        "engine_id 0 is that of prefill.sh:3 too"),
                note(
                        5,
                        Scripts.byRankTable().with("decode.sh", "\"engine_id\": \"1\"", "\"engine_id\": \"0\""),
                        "decode.sh:14",
                        "equal ones are right"));
    }

    static Stream<Erratum> rowsOfPorts() {
        return Stream.of(
                note(6, Scripts.byRankTable(), "decode.sh:13", "numbered from VLLM_ASCEND_LLMDD_RPC_PORT"),
                error(
                        6,
                        Scripts.byRankTable()
                                .with("decode.sh", "198.51.100.2", "198.51.100.1")
                                .with("decode.sh", "8004", "8005"),
                        "decode.sh:4",
                        "the side channel on 198.51.100.1:5557 clashes with the side channel on 198.51.100.1:5557-5558"),
                warning(
                        7,
                        with("prefill.sh", "40000", "30000"),
                        "prefill.sh:13",
                        "30000-30001 lie in 20000-35999, which the Ascend transport reserves"),
                error(
                        8,
                        onOneMachine().with("decode.sh", "40100", "40001"),
                        "decode.sh:12",
                        "the side channel on 198.51.100.1:40001 clashes with the side channel on 198.51.100.1:40000-40001"),
                error(
                        9,
                        Scripts.only(
                                        "one.sh",
                                        Scripts.PREFILL
                                                .replace(
                                                        "--port 8004",
                                                        "--port 1 --data-parallel-size 2"
                                                                + " --data-parallel-address 198.51.100.1 --data-parallel-rpc-port 9100")
                                                .replace(
                                                        "\"prefill\": {\"dp_size\": 1", "\"prefill\": {\"dp_size\": 2"))
                                .and(
                                        "two.sh",
                                        Scripts.DECODE
                                                .replace("198.51.100.2", "198.51.100.1")
                                                .replace(
                                                        "--port 8004",
                                                        "--port 2 --data-parallel-size 2"
                                                                + " --data-parallel-address 198.51.100.1 --data-parallel-rpc-port 9100")
                                                .replace("\"decode\": {\"dp_size\": 1", "\"decode\": {\"dp_size\": 2")),
                        "two.sh:5",
                        "this deployment meets at 198.51.100.1:9100, and so does that of one.sh:3: vLLM binds it for both"),
                warning(
                        10,
                        Scripts.only("table.sh", "cd vllm-ascend/examples/disaggregate_prefill_v1/\n"),
                        "table.sh:1",
                        "cd fails: vllm-ascend's folder is examples/disaggregated_prefill_v1"),
                error(
                        14,
                        withHeadlessNode()
                                .with("proxy.sh", "hosts 198.51.100.2", "hosts 198.51.100.2 198.51.100.4")
                                .with("proxy.sh", "decoder-ports 8004", "decoder-ports 8004 8004"),
                        "proxy.sh:6",
                        "198.51.100.4:8004 is the node of headless.sh:3, which runs --headless: nobody listens there"));
    }

    static Stream<Erratum> rowsOfWords() {
        return Stream.of(
                error(
                        16,
                        with("decode.sh", "--max-num-batched-tokens", "---max-num-batched-tokens"),
                        "decode.sh:8",
                        "unknown flag ---max-num-batched-tokens"),
                error(
                        16,
                        with("decode.sh", "4096 \\\n  --kv", "4096 --additional-config '{}'\\\n--kv"),
                        "decode.sh:8",
                        "'{}' and '--kv-transfer-config' become one word"),
                warning(
                        16,
                        with("decode.sh", "\"engine_id\": \"1\"", "\"engine_id\": 1"),
                        "decode.sh:13",
                        "engine_id 1 is a number; tandem takes it as text, vLLM refuses it"),
                error(
                        16,
                        with(
                                "decode.sh",
                                "\"kv_role\"",
                                "\"kv_connector_module_path\": \"vllm_ascend.distributed.mooncake\", \"kv_role\""),
                        "decode.sh:11",
                        "contradicts kv_connector MooncakeConnector"));
    }

    static Stream<Erratum> rowsOfTheRankTable() {
        return Stream.of(
                note(
                        17,
                        withTable(TABLE.replace("--npus", "--local-device-ids 0,1 --npus")),
                        "table.sh:2",
                        "ends with a TypeError on --local-device-ids"),
                note(18, withTable(TABLE), "table.sh:2", "does not notice a wrong --network-card-name"),
                warning(
                        19,
                        with("ask.sh", "8080", "1999"),
                        "ask.sh:1",
                        "asks 198.51.100.3:1999, where none of these scripts starts anything"),
                note(
                        20,
                        with(
                                "decode.sh",
                                "--port 8004",
                                "--port 8004 --additional-config '{\"torchair_graph_config\":"
                                        + "{\"enabled\": true, \"enable_multistream_shared_expert\": true}}'"),
                        "decode.sh:5",
                        "torchair_graph_config.enable_multistream_shared_expert: no such key is read there"),
                note(
                        22,
                        with("decode.sh", "--max-num-batched-tokens 4096", "--max-num-batched-tokens 512"),
                        "decode.sh:8",
                        "a long prompt that this node must compute itself is cut into chunks"));
    }

    static Stream<Erratum> rowsOfBothSides() {
        return Stream.of(
                warning(
                        23,
                        withHeadlessNode().with("headless.sh", "40200", "30200"),
                        "headless.sh:13",
                        "ports 30201 lie in"),
                note(
                        24,
                        with("decode.sh", "--port 8004", "--port 8004 --no-enable-prefix-caching"),
                        "decode.sh:5",
                        "prefix caching is off here and on in prefill.sh:3"),
                error(
                        25,
                        with("prefill.sh", "4096 \\\n  --kv", "4096 --additional-config '{}'\n--kv"),
                        "prefill.sh:9",
                        "line 9 ends the command: the node would start without its KV connector, and line 10 would be run as"
                                + " a command"),
                warning(
                        26,
                        withHeadlessNode()
                                .with("proxy.sh", "python load_balance_proxy_server_example.py", "tandem proxy")
                                .with("proxy.sh", "hosts 198.51.100.2", "hosts 198.51.100.2 198.51.100.4")
                                .with("proxy.sh", "decoder-ports 8004", "decoder-ports 8004 8004"),
                        "proxy.sh:6",
                        "nobody listens there; tandem proxy leaves it out and says so"));
    }

    static Stream<Erratum> lastRows() {
        return Stream.of(
                note(
                        27,
                        with("decode.sh", "/model/qwen3", "/mnt/weight/qwen3"),
                        "decode.sh:3",
                        "the checkpoint is /mnt/weight/qwen3 here and /model/qwen3 in prefill.sh:3"),
                accepted(28, withHeadlessNode()),
                note(
                        28,
                        with("prefill.sh", "\"prefill\": {", "\"use_ascend_direct\": true, \"prefill\": {"),
                        "prefill.sh:16",
                        "use_ascend_direct: accepted, no effect"),
                error(
                        29,
                        with("proxy.sh", "proxy_server", "proxy_layerwise_server"),
                        "proxy.sh:1",
                        "this program asks decode nodes first"),
                error(
                        29,
                        with("prefill.sh", "MooncakeConnector", "MooncakeLayerwiseConnector")
                                .with("decode.sh", "MooncakeConnector", "MooncakeLayerwiseConnector"),
                        "proxy.sh:1",
                        "this program asks prefill nodes first"),
                warning(
                        30,
                        withTable(TABLE.replace("/shared", "/share")),
                        "decode.sh:1",
                        "read from /shared/ranktable.json and written to /share/ranktable.json by table.sh:2: share and"
                                + " shared, the folder is spelled in two ways"),
                note(
                        30,
                        with("decode.sh", "--port 8004", "--port 8004 --gpu-memory-utilization 0.92"),
                        "decode.sh:5",
                        "--gpu-memory-utilization is 0.92 here and 0.9 in prefill.sh:3"),
                error(
                        31,
                        with("decode.sh", "198.51.100.2", "198.51.100.1"),
                        "decode.sh:5",
                        "HTTP on 0.0.0.0:8004 clashes with HTTP on 0.0.0.0:8004 of prefill.sh:5 on the same machine"));
    }

    @ParameterizedTest
    @MethodSource("rows")
    void shouldSayWhatIsToBeSaidOfEachErratumAndNoMore(Erratum erratum) {
        List<Finding> faults = erratum.scripts.faults();
        if (erratum.severity == Severity.WELL) {
            assertThat(faults).isEmpty();
            return;
        }
        assertThat(erratum.scripts.findings()).anySatisfy(finding -> {
            assertThat(finding.severity()).isEqualTo(erratum.severity);
            assertThat(finding.subject()).isEqualTo(erratum.subject);
            assertThat(finding.found()).contains(erratum.found);
            assertThat(finding.fix().isEmpty()).isEqualTo(erratum.severity == Severity.NOTE);
        });
        if (erratum.severity == Severity.NOTE) {
            assertThat(faults).isEmpty();
        }
    }

    @Test
    void shouldKnowAllThirtyOneRows() {
        var shown = rows().map(Erratum::row).toList();
        assertThat(IntStream.rangeClosed(1, 31).boxed())
                .allSatisfy(
                        row -> assertThat(shown.contains(row)).as("row " + row).isNotEqualTo(WORDING.contains(row)));
    }

    @Test
    void shouldTellEveryRowInThePageOnOperations() throws IOException {
        String page = Files.readString(OPERATIONS);
        assertThat(IntStream.rangeClosed(1, 31).boxed())
                .allSatisfy(row -> assertThat(page).contains("\n| " + row + " | "));
    }

    @Test
    void shouldFindNothingInADeploymentThatIsRight() {
        assertThat(Scripts.deployment().faults()).isEmpty();
        assertThat(Scripts.byRankTable().faults()).isEmpty();
        assertThat(withTable(TABLE).faults()).isEmpty();
        assertThat(withHeadlessNode().faults()).isEmpty();
        assertThat(onOneMachine().with("prefill.sh", "0.0.0.0", "198.51.100.1").faults())
                .isEmpty();
    }
}
