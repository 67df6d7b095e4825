package dev.tandem.preflight.script;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.preflight.Finding;
import dev.tandem.preflight.Finding.Severity;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What scripts of one deployment must agree on, beside the known errata. */
class ScriptCheckTest {
    @TempDir
    Path folder;

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "decode.sh | --served-model-name qwen3 | --served-model-name other | ERROR | decode.sh:6 | served as other, and as qwen3 in prefill.sh:3",
                "decode.sh | --served-model-name qwen3 | --served-model-name qwen3 o | WARNING | decode.sh:6 | requests must use a name that both have",
                "decode.sh | --max-model-len 4096 | --max-model-len 2048 | WARNING | decode.sh:7 | --max-model-len is 2048 here and 4096 in prefill.sh:3",
                "decode.sh | --port 8004 | --port 8004 --seed 7 | WARNING | decode.sh:5 | --seed is 7 here and 0 in prefill.sh:3",
                "decode.sh | MooncakeConnector | MooncakeLayerwiseConnector | ERROR | decode.sh:10 | runs MooncakeLayerwiseConnector, the prefill node of prefill.sh:3 MooncakeConnector",
                "decode.sh | \"tp_size\": 2 | \"tp_size\": 4 | ERROR | decode.sh:15 | prefill has dp_size 1 and tp_size 4, the node of prefill.sh:3 runs 1 and 2",
                "decode.sh | \"tp_size\": 1 | \"tp_size\": 2 | ERROR | decode.sh:16 | contradict --data-parallel-size 1 and --tensor-parallel-size 1",
                "decode.sh | --port 8004 | --prot 8004 | ERROR | decode.sh:5 | unknown flag --prot",
                "decode.sh | --host 0.0.0.0 | --host 127.0.0.1 | ERROR | proxy.sh:6 | nobody listens on 198.51.100.2:8004: the node of decode.sh:3 on that host listens on 127.0.0.1:8004",
                "decode.sh | --host 0.0.0.0 | --seed 0 | WARNING | decode.sh:3 | no --host: tandem listens on 127.0.0.1 only",
                "decode.sh | export HCCL_IF_IP=198.51.100.2 | : | ERROR | decode.sh:4 | --host 0.0.0.0 cannot be announced to peers",
                "proxy.sh | --decoder-hosts 198.51.100.2 | --decoder-hosts 198.51.100.1 | ERROR | proxy.sh:6 | is listed for decode, and the node of prefill.sh:3 is a kv_producer",
                "decode.sh | export GLOO | export OMP_NUM_THREADS=many GLOO | ERROR | decode.sh:2 | OMP_NUM_THREADS=many is not a whole number",
                "proxy.sh | --decoder-ports 8004 | --decoder-ports 8005 | ERROR | proxy.sh:6 | nobody listens on 198.51.100.2:8005: the node of decode.sh:3 on that host listens on port 8004",
                "proxy.sh | --decoder-hosts 198.51.100.2 | --decoder-hosts 198.51.100.9 | WARNING | proxy.sh:6 | none of these scripts starts a node at 198.51.100.9:8004",
                "proxy.sh | --decoder-hosts 198.51.100.2 | --decoder-hosts 198.51.100.9 | WARNING | decode.sh:3 | no proxy of these scripts lists this node",
                "proxy.sh | --port 8080 | --host 198.51.100.1 --port 8004 | ERROR | proxy.sh:1 | is listed as a node",
                "proxy.sh | --prefiller-ports 8004 | --prefiller-ports 8004 8004 | ERROR | proxy.sh:4 | --prefiller-hosts has 1 entries and --prefiller-ports 2",
                "ask.sh | \"model\": \"qwen3\" | \"model\": \"qwen\" | ERROR | ask.sh:3 | asks for the model qwen, which no node serves",
                "ask.sh | 100}' | 100,}' | ERROR | ask.sh:3 | the body is not valid JSON",
                "ask.sh | 198.51.100.3:8080 | 198.51.100.2:8004 | NOTE | ask.sh:1 | asks the node at 198.51.100.2:8004 itself"
            })
    void shouldFind(String file, String text, String other, Severity severity, String subject, String found) {
        assertThat(Scripts.deployment().with(file, text, other).findings()).anySatisfy(finding -> {
            assertThat(finding.severity()).isEqualTo(severity);
            assertThat(finding.subject()).isEqualTo(subject);
            assertThat(finding.found()).contains(found);
        });
    }

    /** A head of four replicas and its headless node with the second pair. */
    private static Scripts joined() {
        String parallel =
                "--port 8004 \\\n  --data-parallel-size 4 --data-parallel-size-local 2 --data-parallel-address"
                        + " 198.51.100.2 --data-parallel-rpc-port 13389 --max-num-seqs 8";
        Scripts head = Scripts.deployment()
                .with("decode.sh", "--port 8004", parallel)
                .with("decode.sh", "\"decode\": {\"dp_size\": 1", "\"decode\": {\"dp_size\": 4")
                .with("prefill.sh", "\"decode\": {\"dp_size\": 1", "\"decode\": {\"dp_size\": 4");
        return head.and(
                "headless.sh",
                Scripts.DECODE
                        .replace("HCCL_IF_IP=198.51.100.2", "HCCL_IF_IP=198.51.100.4")
                        .replace("--port 8004", parallel + " --headless --data-parallel-start-rank 2")
                        .replace("\"decode\": {\"dp_size\": 1", "\"decode\": {\"dp_size\": 4")
                        .replace("\"engine_id\": \"1\"", "\"engine_id\": \"2\""));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "headless.sh | --data-parallel-size-local 2 | --data-parallel-size-local 1 | ERROR | decode.sh:6 | 1 of 4 replicas, the first of them 3, run on none",
                "headless.sh | start-rank 2 | start-rank 1 | ERROR | headless.sh:6 | replica 1 runs here and in decode.sh:3",
                "headless.sh | 13389 | 13390 | ERROR | headless.sh:6 | joins 198.51.100.2:13390, and no head of these scripts meets there",
                "headless.sh | --port 8004 | --port 8004 --enable-expert-parallel | ERROR | headless.sh:5 | --enable-expert-parallel true of this headless node, false of its head",
                "headless.sh | --max-model-len 4096 | --max-model-len 2048 | ERROR | headless.sh:8 | --max-model-len 2048 of this headless node, 4096 of its head",
                "decode.sh | -address 198.51.100.2 | -address 198.51.100.4 | WARNING | decode.sh:6 | is not the address that this head tells others, 198.51.100.2"
            })
    void shouldFindWhereHeadAndHeadlessNodeDisagree(
            String file, String text, String other, Severity severity, String subject, String found) {
        assertThat(joined().faults()).isEmpty();
        assertThat(joined().with(file, text, other).findings()).anySatisfy(finding -> {
            assertThat(finding.severity()).isEqualTo(severity);
            assertThat(finding.subject()).isEqualTo(subject);
            assertThat(finding.found()).contains(found);
        });
    }

    @Test
    void shouldLetNodesOfOneDeploymentShareTheirEngineId() {
        assertThat(joined().with("headless.sh", "\"engine_id\": \"2\"", "\"engine_id\": \"1\"")
                        .faults())
                .isEmpty();
    }

    private static final String TABLE = "tandem ranktable --ips 198.51.100.1 198.51.100.2 --npus-per-node 2"
            + " --network-card-name eth0 --prefill-device-cnt 2 --decode-device-cnt 1 --output /shared/ranktable.json\n";

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "198.51.100.1 198.51.100.2 | 198.51.100.2 198.51.100.1 | ERROR | in front of the prefill node",
                "198.51.100.2 --npus | 198.51.100.7 --npus | ERROR | --ips lacks 198.51.100.2",
                "cnt 2 --decode-device-cnt 1 | cnt 1 --decode-device-cnt 2 | ERROR | the prefill nodes run 2 ranks",
                "--decode-device-cnt 1 | --decode-device-cnt 4 | ERROR | --prefill-device-cnt 2 + --decode-device-cnt 4 = 6 exceeds",
                "--decode-device-cnt 1 | --decode-device-cnt 2 | NOTE | of these scripts run 1 ranks",
                "eth0 | eth1 | WARNING | --network-card-name eth1, and GLOO_SOCKET_IFNAME=eth0 in prefill.sh:4",
                "/shared/ | /tmp/ | WARNING | is read from /shared/ranktable.json and written to /tmp/ranktable.json",
                "--network-card-name | --nic | ERROR | unknown flag --nic",
                "--npus-per-node 2 | --npus-per-node two | ERROR | --npus-per-node must be a whole number, such as 4096 or 32k, not two"
            })
    void shouldFindWhereTheRankTableDoesNotFitItsNodes(String text, String other, Severity severity, String found) {
        assertThat(Scripts.byRankTable().and("table.sh", TABLE).faults()).isEmpty();
        assertThat(Scripts.byRankTable()
                        .and("table.sh", TABLE)
                        .with("table.sh", text, other)
                        .findings())
                .anySatisfy(finding -> {
                    assertThat(finding.severity()).isEqualTo(severity);
                    assertThat(finding.found()).contains(found);
                });
    }

    @Test
    void shouldReadVariablesLikeTheDeepSeekGuide() {
        Scripts scripts = Scripts.deployment()
                .with(
                        "decode.sh",
                        script -> "local_ip=\"198.51.100.2\"\nport=8004\n"
                                + script.replace("HCCL_IF_IP=198.51.100.2", "HCCL_IF_IP=$local_ip")
                                        .replace("--port 8004", "--port ${port}"));
        assertThat(scripts.faults()).isEmpty();
    }

    @Test
    void shouldNotJudgeWhatOnlyARunningShellKnows() {
        Scripts scripts = Scripts.deployment()
                .with(
                        "decode.sh",
                        script -> "local_ip=$(hostname -I | cut -d' ' -f1)\n"
                                + script.replace("HCCL_IF_IP=198.51.100.2", "HCCL_IF_IP=$local_ip")
                                        .replace("--port 8004", "--port $1"));
        assertThat(scripts.faults()).isEmpty();
        assertThat(scripts.findings())
                .anySatisfy(finding -> assertThat(finding.found())
                        .startsWith("not checked, since only a running shell knows a part of it: --port must be"));
    }

    @Test
    void shouldSayThatACommandInALoopIsNotChecked() {
        assertThat(Scripts.only("a.sh", "for i in 0 1; do vllm serve /m --port 800$i & done\n")
                        .faults())
                .singleElement()
                .satisfies(finding -> {
                    assertThat(finding.severity()).isEqualTo(Severity.WARNING);
                    assertThat(finding.found()).contains("inside this for is not checked: vllm serve");
                });
    }

    @Test
    void shouldReportALineThatBeginsWithAFlagWhereNoCommandIs() {
        assertThat(Scripts.only("a.sh", "--host 1\n").faults()).singleElement().satisfies(finding -> {
            assertThat(finding.subject()).isEqualTo("a.sh:1");
            assertThat(finding.found()).contains("begins with --host where a command should stand");
        });
        assertThat(Scripts.deployment().with("proxy.sh", "8080 \\", "8080").faults())
                .singleElement()
                .satisfies(finding -> assertThat(finding.found())
                        .isEqualTo(
                                "line 3 ends the command: the command would start without what follows, and line 4 would be"
                                        + " run as a command"));
        assertThat(Scripts.deployment().with("decode.sh", "config \\", "config").faults())
                .singleElement()
                .satisfies(finding -> assertThat(finding.found())
                        .isEqualTo(
                                "line 9 ends the command: the node would start without what follows, and line 10 would be run"
                                        + " as a command"));
    }

    @Test
    void shouldReadFilesAndSayWhichCannotBeRead() throws IOException {
        Path good = Files.writeString(folder.resolve("p.sh"), Scripts.PREFILL.replace("--port", "--prot"));
        List<Finding> findings = ScriptCheck.check(List.of(good, folder.resolve("absent.sh")));
        assertThat(findings)
                .filteredOn(Finding::isError)
                .extracting(Finding::subject)
                .containsExactly(good + ":5", folder.resolve("absent.sh").toString());
        assertThat(ScriptCheck.check(List.of())).isEmpty();
    }
}
