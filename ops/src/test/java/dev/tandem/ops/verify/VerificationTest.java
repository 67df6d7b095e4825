package dev.tandem.ops.verify;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.api.HttpAddress;
import dev.tandem.gateway.Gateway;
import dev.tandem.gateway.GatewayConfig;
import dev.tandem.gateway.NodeLists;
import dev.tandem.ops.verify.ForeignNode.Fault;
import dev.tandem.ops.verify.Row.Check;
import dev.tandem.ops.verify.Row.Status;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** A verification of nodes that show what vLLM-Ascend shows, behind a gateway of ours and without one. */
class VerificationTest {
    private static final String GATEWAY_HOST = "127.0.25.11";

    private final List<AutoCloseable> open = new ArrayList<>();

    @AfterEach
    void close() throws Exception {
        for (AutoCloseable one : open.reversed()) {
            one.close();
        }
    }

    private ForeignNode node(Fault... faults) {
        ForeignNode node = ForeignNode.with(faults);
        open.add(node);
        return node;
    }

    private Target gateway(int prefillPort, int decodePort) {
        Gateway gateway = Gateway.start(GatewayConfig.of(
                new HttpAddress(GATEWAY_HOST, 0),
                new NodeLists(
                        List.of(ForeignNode.host()),
                        List.of(prefillPort),
                        List.of(ForeignNode.host()),
                        List.of(decodePort))));
        open.add(gateway);
        return Target.parse(GATEWAY_HOST + ":" + gateway.port());
    }

    private static Report verify(Target target, String... nodes) throws InterruptedException {
        return new Verification(
                        target,
                        new Verification.Question(Optional.empty(), Credentials.NONE, Verification.PROMPT),
                        Arrays.stream(nodes).map(ClusterNode::parse).toList(),
                        new Verification.Limits(Duration.ofSeconds(30), Duration.ofMillis(300)))
                .run(row -> {});
    }

    private static Row row(Report report, Check check) {
        return report.rows().stream()
                .filter(row -> row.check() == check)
                .findFirst()
                .orElseThrow(() -> new AssertionError("no row " + check + " in " + report.rows()));
    }

    private static void assertRow(Report report, Check check, Status status, String... parts) {
        Row row = row(report, check);
        assertThat(row.status()).as(row.toString()).isEqualTo(status);
        assertThat(List.of(parts)).allSatisfy(part -> assertThat(row.figure()).contains(part));
    }

    @Test
    void shouldSeeWhatForeignNodesBehindOurGatewayShow() throws InterruptedException {
        Report report = verify(gateway(node().port(), node().port()));
        assertThat(report.rows()).extracting(Row::check).containsExactly(Check.values());
        assertThat(report.isWell()).as(report.rows().toString()).isTrue();
        assertRow(report, Check.HEALTH, Status.OK, "prefill 1 of 1", "decode 1 of 1");
        assertRow(report, Check.MODELS, Status.OK, "foreign", "4096");
        assertRow(report, Check.STREAM, Status.OK, "100 tokens");
        assertRow(report, Check.COMPLETION, Status.OK, "100 tokens", "the same text");
        assertRow(report, Check.CHAT, Status.OK, "32 events");
        assertRow(report, Check.FIRST_TOKEN, Status.OK, "ms");
        assertRow(report, Check.BETWEEN_TOKENS, Status.OK, "100 tokens in 100 events");
        assertRow(report, Check.DISAGGREGATION, Status.OK, "a prefill node computed", "ticket", "reported by neither");
        assertRow(report, Check.TOKENS, Status.OK, "the same 32 tokens", "decode node");
        assertRow(report, Check.BLOCKS, Status.OK, "0.00 % of the KV cache in use");
    }

    @Test
    void shouldSayWhichTokenIsWrongAfterAHandoff() throws InterruptedException {
        Report report = verify(
                gateway(node().port(), node(Fault.WRONG_TOKENS_AFTER_HANDOFF).port()));
        assertThat(report.isWell()).isFalse();
        assertRow(report, Check.TOKENS, Status.FAILED, "from token 3 on");
    }

    @Test
    void shouldCompareTextsWhereNobodyTellsTokenIds() throws InterruptedException {
        Report well = verify(gateway(node().port(), node(Fault.TELLS_NO_IDS).port()));
        assertRow(well, Check.TOKENS, Status.OK, "the same text");
        Report wrong = verify(gateway(
                node().port(),
                node(Fault.TELLS_NO_IDS, Fault.WRONG_TOKENS_AFTER_HANDOFF).port()));
        assertRow(wrong, Check.TOKENS, Status.FAILED, "the texts differ");
    }

    @Test
    void shouldFailWhenAPrefillNodeKeepsItsBlocks() throws InterruptedException {
        Report report = verify(gateway(node(Fault.KEEPS_BLOCKS).port(), node().port()));
        assertRow(report, Check.BLOCKS, Status.FAILED, "4.00 % of the KV cache in use, 0.00 % before");
    }

    @Test
    void shouldFailWhenTheDecodeNodeHadToComputeThePrompt() throws InterruptedException {
        Report report = verify(gateway(node(Fault.GIVES_NO_TICKET).port(), node().port()));
        assertRow(report, Check.DISAGGREGATION, Status.FAILED, "no-ticket");
        assertRow(report, Check.TOKENS, Status.OK);
    }

    @Test
    void shouldAskThePrefillNodeAloneWhenTheDecodeNodeRemembersThePrompt() throws InterruptedException {
        Report report = verify(gateway(node().port(), node(Fault.CACHES_PROMPTS).port()));
        assertRow(report, Check.TOKENS, Status.OK, "prefill node");
    }

    @Test
    void shouldNotSeeWhatHasNoPage() throws InterruptedException {
        Report report = verify(gateway(
                node(Fault.NO_METRICS, Fault.NO_TEMPLATE).port(),
                node(Fault.NO_METRICS, Fault.NO_TEMPLATE).port()));
        assertThat(report.isWell()).as(report.rows().toString()).isTrue();
        assertRow(report, Check.CHAT, Status.NOT_SEEN, "no chat template");
        assertRow(report, Check.BLOCKS, Status.NOT_SEEN, "does not report its KV blocks");
        assertRow(report, Check.DISAGGREGATION, Status.OK, "ticket of a prefill node");
    }

    @Test
    void shouldNameTheNodeThatIsDown() throws InterruptedException {
        ForeignNode decode = node();
        Target gateway = gateway(node().port(), decode.port());
        decode.close();
        Report report = verify(gateway);
        assertThat(report.isWell()).isFalse();
        assertRow(report, Check.STREAM, Status.FAILED);
        assertRow(report, Check.DISAGGREGATION, Status.FAILED);
        assertRow(report, Check.TOKENS, Status.NOT_SEEN);
        assertRow(report, Check.FIRST_TOKEN, Status.NOT_SEEN);
        // Only now is it certain that the gateway has noticed.
        assertRow(verify(gateway), Check.HEALTH, Status.FAILED, "decode");
    }

    @Test
    void shouldShowTheErrorOfABrokenNode() throws InterruptedException {
        Report report = verify(gateway(node().port(), node(Fault.BROKEN).port()));
        assertRow(report, Check.STREAM, Status.FAILED, "EngineCore died");
        assertRow(report, Check.COMPLETION, Status.FAILED, "500");
    }

    @Test
    void shouldNoticeAStreamWithoutItsEnd() throws InterruptedException {
        Report report = verify(gateway(node().port(), node(Fault.CUTS_STREAMS).port()));
        assertRow(report, Check.STREAM, Status.FAILED);
        assertRow(report, Check.COMPLETION, Status.OK);
    }

    @Test
    void shouldTakeAForeignNodeForWhatItIs() throws InterruptedException {
        Report report = verify(Target.parse(node().address()));
        assertThat(report.isWell()).as(report.rows().toString()).isTrue();
        assertRow(report, Check.DISAGGREGATION, Status.NOT_SEEN, "a node itself");
        assertRow(report, Check.TOKENS, Status.NOT_SEEN, "nothing to compare");
        assertRow(report, Check.BLOCKS, Status.OK);
    }

    @Test
    void shouldSayWhatAProxyWithoutPagesHides() throws InterruptedException {
        ForeignNode proxy = node(Fault.BARE, Fault.NO_METRICS);
        Report nameless = verify(Target.parse(proxy.address()));
        assertRow(nameless, Check.HEALTH, Status.NOT_SEEN);
        assertRow(nameless, Check.MODELS, Status.NOT_SEEN);
        assertRow(nameless, Check.STREAM, Status.FAILED, "--model");
        Report hidden = verify(Target.parse(proxy.address()), "decode=127.0.25.10:" + node().port());
        assertRow(hidden, Check.MODELS, Status.OK, "says the decode node");
        assertRow(hidden, Check.DISAGGREGATION, Status.NOT_SEEN, "--nodes prefill=");
        assertRow(hidden, Check.BLOCKS, Status.NOT_SEEN, "--nodes prefill=");
        assertRow(hidden, Check.TOKENS, Status.OK, "decode node");
    }

    @Test
    void shouldFailWhenTheGivenPrefillNodeHasComputedNothing() throws InterruptedException {
        ForeignNode proxy = node(Fault.NO_METRICS);
        Report report = verify(Target.parse(proxy.address()), "prefill=" + node().address());
        assertRow(report, Check.DISAGGREGATION, Status.FAILED, "no prefill node has computed the prompt");
    }

    @Test
    void shouldReportNobodyAtAll() throws InterruptedException {
        ForeignNode gone = node();
        gone.close();
        Report report = verify(Target.parse(gone.address()));
        assertRow(report, Check.HEALTH, Status.FAILED, "nobody listens");
        assertThat(report.count(Status.NOT_SEEN)).isEqualTo(Check.values().length - 1);
    }
}
