package dev.tandem.node.flags;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.tandem.engine.handoff.HandoffConfig.Connector;
import dev.tandem.node.flags.Parallel.Balancing;
import dev.tandem.node.flags.Parallel.Data;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class ParallelTest {
    private static Parallel parse(String arguments) {
        return flags(arguments).parallel();
    }

    private static ServeFlags flags(String arguments) {
        var all = new ArrayList<>(List.of("m"));
        all.addAll(Arrays.asList(arguments.split(" ")));
        return ServeFlags.parse(all);
    }

    private static String problem(String arguments) {
        List<String> problems = catchThrowableOfType(FlagException.class, () -> parse(arguments))
                .problems();
        assertThat(problems).hasSize(1);
        return problems.getFirst();
    }

    @Test
    void shouldReadAHeadAndItsHeadlessNode() {
        String common = "--data-parallel-size 32 --data-parallel-size-local 16 --data-parallel-address 10.0.0.3"
                + " --data-parallel-rpc-port 5964 --enable-expert-parallel";
        Parallel head = parse(common + " --api-server-count 4");
        assertThat(head.data()).isEqualTo(new Data(32, 16, 0, Balancing.INTERNAL));
        assertThat(head.isHead()).isTrue();
        assertThat(head.head()).isEqualTo(new Parallel.Head("10.0.0.3", 5964, 300));
        Parallel headless = parse(common + " --headless --data-parallel-start-rank 16");
        assertThat(headless.data()).isEqualTo(new Data(32, 16, 16, Balancing.INTERNAL));
        assertThat(headless.isHeadless()).isTrue();
        assertThat(headless.isHead()).isFalse();
        assertThat(headless.hasExpertParallel()).isTrue();
    }

    @Test
    void shouldRunAllReplicasHereUnlessTold() {
        Parallel parallel = parse("--data-parallel-size 4 --tensor-parallel-size 2");
        assertThat(parallel.localRanks()).isEqualTo(8);
        assertThat(parallel.hasRemoteRanks()).isFalse();
        assertThat(parallel.isHead()).isFalse();
    }

    @Test
    void shouldCountEventLoopsAndTakeNoneForHeadless() {
        assertThat(flags("--api-server-count 2").server().apiServers()).isEqualTo(2);
        assertThat(flags("--headless").server().apiServers()).isZero();
        assertThat(parse("--api-server-count 0").isHeadless()).isTrue();
    }

    @Test
    void shouldRefuseApiServersOfAHeadlessNode() {
        assertThat(problem("--headless --api-server-count 2"))
                .contains("--api-server-count 2")
                .contains("--headless");
    }

    @Test
    void shouldSayWhichLocalSizeWouldFit() {
        assertThat(problem("--data-parallel-size 32 --data-parallel-start-rank 16 --headless"))
                .contains("--data-parallel-size-local 32 (its default)")
                .contains("--data-parallel-size-local 16 would fit");
        assertThat(problem("--data-parallel-size 2 --data-parallel-size-local 4"))
                .contains("--data-parallel-size-local 4")
                .contains("--data-parallel-size 2");
    }

    @Test
    void shouldTellHybridAndExternalBalancingApart() {
        assertThat(parse("--data-parallel-size 4 --data-parallel-size-local 2 --data-parallel-hybrid-lb")
                        .data()
                        .balancing())
                .isEqualTo(Balancing.HYBRID);
        assertThat(parse("--data-parallel-size 4 --data-parallel-size-local 2 --data-parallel-start-rank 2")
                        .data()
                        .balancing())
                .isEqualTo(Balancing.HYBRID);
        assertThat(parse("--data-parallel-size 4 --data-parallel-rank 3").data())
                .isEqualTo(new Data(4, 1, 3, Balancing.EXTERNAL));
    }

    @Test
    void shouldRefuseBalancingThatContradictsItself() {
        assertThat(problem("--data-parallel-size 4 --data-parallel-hybrid-lb")).contains("--data-parallel-size-local");
        assertThat(problem("--data-parallel-size 4 --data-parallel-external-lb"))
                .contains("--data-parallel-rank");
        assertThat(problem("--data-parallel-size 4 --data-parallel-rank 4")).contains("[0, 3]");
        assertThat(problem("--data-parallel-size 4 --data-parallel-size-local 2 --data-parallel-rank 1"))
                .contains("--data-parallel-size-local 2");
        assertThat(problem("--data-parallel-size 4 --data-parallel-size-local 2 --headless --data-parallel-hybrid-lb"))
                .contains("--headless");
        assertThat(problem("--data-parallel-size-local 0 --headless")).contains("--data-parallel-size-local 0");
        assertThat(problem("--data-parallel-size 4 --data-parallel-size-local 0 --data-parallel-hybrid-lb"))
                .contains("--data-parallel-size-local 0")
                .contains("--data-parallel-hybrid-lb");
        assertThat(problem("--data-parallel-size 4 --data-parallel-size-local 0 --data-parallel-start-rank 2"))
                .contains("--data-parallel-start-rank 2");
    }

    @Test
    void shouldLetAHeadHaveNoRanksOfItsOwn() {
        Parallel head = parse("--data-parallel-size 4 --data-parallel-size-local 0");
        assertThat(head.data()).isEqualTo(new Data(4, 0, 0, Balancing.INTERNAL));
        assertThat(head.isHead()).isTrue();
        assertThat(head.isMeetingPoint()).isTrue();
        assertThat(head.localRanks()).isZero();
        Parallel node = parse("--data-parallel-size 4 --data-parallel-start-rank 0 --headless");
        assertThat(node.data()).isEqualTo(new Data(4, 4, 0, Balancing.INTERNAL));
        assertThat(node.isMeetingPoint()).isFalse();
    }

    @Test
    void shouldRefuseSizesThatTheTransferConfigContradicts() {
        String config = " --kv-transfer-config.kv_connector MooncakeLayerwiseConnector"
                + " --kv-transfer-config.kv_role kv_producer"
                + " --kv-transfer-config.kv_connector_extra_config.prefill.tp_size 8";
        assertThat(problem("--tensor-parallel-size 4" + config))
                .contains("tp_size 8")
                .contains("--tensor-parallel-size 4");
        assertThat(flags("--tensor-parallel-size 8" + config)
                        .kvTransfer()
                        .orElseThrow()
                        .connector())
                .isEqualTo(Connector.LAYERWISE);
    }

    @Test
    void shouldNumberThePortsOfThisProcess() {
        ServeFlags flags = flags("--data-parallel-size 4 --data-parallel-size-local 2 --data-parallel-start-rank 2"
                + " --headless --tensor-parallel-size 2 --kv-transfer-config.kv_connector MooncakeConnector"
                + " --kv-transfer-config.kv_role kv_consumer --kv-transfer-config.kv_port 30200");
        assertThat(flags.ports().orElseThrow().sideChannels()).containsExactly(30_204, 30_205, 30_206, 30_207);
    }
}
