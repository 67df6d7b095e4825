package dev.tandem.engine.cluster;

import static dev.tandem.engine.cluster.ClusterFixture.headPort;
import static dev.tandem.engine.cluster.ClusterFixture.taken;
import static dev.tandem.engine.cluster.ClusterFixture.terms;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.engine.cluster.ClusterFixture.Head;
import dev.tandem.engine.cluster.ClusterFixture.Node;
import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.EngineException.Kind;
import dev.tandem.parallel.Shard;
import dev.tandem.trust.ClusterSecret;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.LinkedBlockingQueue;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class JoinTest {
    private static final Duration SHORT = Duration.ofMillis(300);

    private final ClusterFixture cluster = new ClusterFixture();

    @AfterEach
    void close() {
        cluster.close();
    }

    @Test
    void shouldJoinAHeadThatIsThere() throws Exception {
        Head head = cluster.head(0);
        Node node = cluster.node(head.head().port(), 1, 4);
        assertThat(node.node().awaitJoined().placements())
                .containsExactly(terms(0, 1).placement(), terms(1, 4).placement());
        head.awaitAll();
        assertThat(head.head().missing()).isEmpty();
        assertThat(head.counters().value(ClusterCounter.NODES_JOINED)).isEqualTo(1);
        assertThat(node.node().isJoined()).isTrue();
    }

    @Test
    void shouldWaitForAHeadThatComesLaterAndSayWhatItWaitsFor() throws Exception {
        int port = headPort();
        Node node = cluster.node(port, 1, 4);
        assertThat(node.report()).contains("waiting for the head at", "" + port);
        Head head = cluster.head(port);
        head.awaitAll();
        assertThat(node.node().awaitJoined().placements()).hasSize(2);
        assertThat(node.report()).startsWith("joined the head at").endsWith("data-parallel ranks 1..3 on 127.0.1.2");
    }

    @Test
    void shouldSayWhichRanksAreMissingUntilTheyAreThere() throws Exception {
        Head head = cluster.head(0);
        cluster.node(head.head().port(), 2, 3).node().awaitJoined();
        var reports = new LinkedBlockingQueue<String>();
        var waiting = Thread.ofVirtual().start(() -> {
            try {
                head.head().awaitAll(ClusterFixture.PATIENCE, reports::add);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
        assertThat(taken(reports))
                .startsWith("waiting for data-parallel rank 1 and data-parallel rank 3 of 4 to join at");
        cluster.node(head.head().port(), 3, 4).node().awaitJoined();
        assertThat(taken(reports)).startsWith("waiting for data-parallel rank 1 of 4 to join at");
        cluster.node(head.head().port(), 1, 2);
        waiting.join();
        assertThat(head.head().members().placements()).hasSize(4);
    }

    @Test
    void shouldNameTheRanksThatDidNotComeInTime() throws Exception {
        Head head = cluster.head(0);
        assertThatThrownBy(() -> head.head().awaitAll(SHORT, report -> {}))
                .isInstanceOfSatisfying(
                        EngineException.class, e -> assertThat(e.kind()).isEqualTo(Kind.UNAVAILABLE))
                .hasMessageContaining("data-parallel ranks 1..3 have not joined at");
    }

    @Test
    void shouldTellEveryMemberOfEveryChange() throws Exception {
        Head head = cluster.head(0);
        assertThat(taken(head.members()).placements())
                .containsExactly(terms(0, 1).placement());
        Node first = cluster.node(head.head().port(), 1, 2);
        assertThat(taken(head.members()).placements()).hasSize(2);
        assertThat(first.nextMembers().placements()).hasSize(2);
        Node second = cluster.node(head.head().port(), 2, 4);
        assertThat(first.nextMembers().placements())
                .containsExactly(
                        terms(0, 1).placement(),
                        terms(1, 2).placement(),
                        terms(2, 4).placement());
        assertThat(second.nextMembers().placements()).hasSize(3);
        first.close();
        assertThat(second.nextMembers().placements())
                .containsExactly(terms(0, 1).placement(), terms(2, 4).placement());
        assertThat(head.head().missing()).containsExactly(new Shard(1, 2));
    }

    @Test
    void shouldRefuseEveryMismatchByFieldAndBothValues() throws Exception {
        Head head = cluster.head(0);
        JoinTerms good = terms(1, 4);
        var bad = new LinkedHashMap<String, JoinTerms>();
        addOtherSpreads(good, bad);
        addOtherModels(good, bad);
        addOtherCachesAndSeats(good, bad);
        for (var each : bad.entrySet()) {
            Node node = cluster.node(head.head().port(), each.getValue(), ClusterSecret.none());
            assertThatThrownBy(() -> node.node().awaitJoined())
                    .isInstanceOfSatisfying(
                            EngineException.class, e -> assertThat(e.kind()).isEqualTo(Kind.INVALID))
                    .hasMessageEndingWith("refuses this node: " + each.getKey());
            assertThat(node.node().ended().join().getMessage()).endsWith(each.getKey());
        }
        ClusterFixture.await(() -> head.counters().value(ClusterCounter.NODES_REFUSED) == bad.size());
        assertThat(head.head().members().placements()).hasSize(1);
    }

    private static void addOtherSpreads(JoinTerms good, Map<String, JoinTerms> bad) {
        bad.put(
                "data parallel size: the head has 4, this node has 5",
                with(good, new ParallelLayout(5, true, true, 1)));
        bad.put(
                "tensor parallel size: the head has 1, this node has 2",
                with(good, new ParallelLayout(4, true, true, 2)));
        bad.put(
                "expert parallel: the head has on, this node has off",
                with(good, new ParallelLayout(4, false, true, 1)));
        bad.put(
                "load balancing: the head has by the head, this node has outside",
                with(good, new ParallelLayout(4, true, false, 1)));
    }

    private static void addOtherModels(JoinTerms good, Map<String, JoinTerms> bad) {
        ModelTerms model = good.model();
        bad.put(
                "model architecture: the head has QWEN3_MOE, this node has LLAMA",
                with(good, new ModelTerms("LLAMA", model.sizes(), "f1", model.numbers(), 512)));
        bad.put(
                "model sizes: the head has 4 layers, this node has 5 layers",
                with(good, new ModelTerms("QWEN3_MOE", "5 layers", "f2", model.numbers(), 512)));
        bad.put(
                "dtype: the head has bfloat16, this node has float32",
                with(
                        good,
                        new ModelTerms("QWEN3_MOE", "4 layers", "f1", new ModelTerms.Numbers("float32", "none"), 512)));
        bad.put(
                "quantization: the head has none, this node has ascend",
                with(
                        good,
                        new ModelTerms(
                                "QWEN3_MOE", "4 layers", "f1", new ModelTerms.Numbers("bfloat16", "ascend"), 512)));
        bad.put(
                "max model length: the head has 512, this node has 511",
                with(good, new ModelTerms("QWEN3_MOE", "4 layers", "f1", model.numbers(), 511)));
        bad.put(
                "model fingerprint: the head has f1, this node has f2",
                with(good, new ModelTerms("QWEN3_MOE", "4 layers", "f2", model.numbers(), 512)));
    }

    private static void addOtherCachesAndSeats(JoinTerms good, Map<String, JoinTerms> bad) {
        ModelTerms model = good.model();
        ParallelLayout layout = good.layout();
        bad.put(
                "KV block size: the head has 16, this node has 32",
                with(good, new KvTerms(32, good.kv().planes())));
        bad.put(
                "KV plane 1: the head has v.0 BF16 4 x 16 of 4 heads, this node has v.0 F32 4 x 16 of 4 heads",
                with(good, new KvTerms(16, List.of(good.kv().planes().getFirst(), "v.0 F32 4 x 16 of 4 heads"))));
        bad.put(
                "KV plane 1: the head has v.0 BF16 4 x 16 of 4 heads, this node has none",
                with(good, new KvTerms(16, List.of(good.kv().planes().getFirst()))));
        var more = new ArrayList<>(good.kv().planes());
        more.add("index.0");
        bad.put("KV plane 2: the head has none, this node has index.0", with(good, new KvTerms(16, more)));
        bad.put(
                "data-parallel ranks: the head has ranks 0..3, this node has ranks 2..5",
                new JoinTerms(
                        good.tandemVersion(),
                        model,
                        layout,
                        good.kv(),
                        terms(2, 6).placement()));
        bad.put(
                "data-parallel ranks: the head has ranks 0..0 itself, this node has ranks 0..1",
                new JoinTerms(
                        good.tandemVersion(),
                        model,
                        layout,
                        good.kv(),
                        terms(0, 2).placement()));
    }

    @Test
    void shouldLetOtherVersionsOfTandemIn() throws Exception {
        Head head = cluster.head(0);
        JoinTerms good = terms(1, 4);
        var newer = new JoinTerms("0.2.0", good.model(), good.layout(), good.kv(), good.placement());
        cluster.node(head.head().port(), newer, ClusterSecret.none()).node().awaitJoined();
    }

    @Test
    void shouldLetNobodyInWithoutTheToken() throws Exception {
        Head head = cluster.head(0, terms(0, 1), ClusterSecret.of("the cluster's secret"));
        var cases = new LinkedHashMap<ClusterSecret, String>();
        cases.put(ClusterSecret.none(), "cluster token: the head has one, this node has none");
        cases.put(ClusterSecret.of("a stranger's guess"), "cluster token: the head has one, this node has another one");
        for (var each : cases.entrySet()) {
            Node node = cluster.node(head.head().port(), terms(1, 4), each.getKey());
            assertThatThrownBy(() -> node.node().awaitJoined()).hasMessageEndingWith(each.getValue());
        }
        cluster.node(head.head().port(), terms(1, 4), ClusterSecret.of("the cluster's secret"))
                .node()
                .awaitJoined();
    }

    @Test
    void shouldLetBothSecretsInWhileOneIsReplaced() throws Exception {
        Head head = cluster.head(0, terms(0, 1), ClusterSecret.of("the secret of this year\nthe secret of last year"));
        cluster.node(head.head().port(), terms(1, 2), ClusterSecret.of("the secret of last year"))
                .node()
                .awaitJoined();
        cluster.node(head.head().port(), terms(2, 4), ClusterSecret.of("the secret of this year"))
                .node()
                .awaitJoined();
    }

    @Test
    void shouldNotJoinAHeadThatDoesNotKnowTheToken() throws Exception {
        Head head = cluster.head(0);
        Node node = cluster.node(head.head().port(), terms(1, 4), ClusterSecret.of("the cluster's secret"));
        assertThatThrownBy(() -> node.node().awaitJoined())
                .hasMessageEndingWith("cluster token: the head has none, this node has one");
    }

    @Test
    void shouldWaitWhileItsRanksAreTakenAndJoinWhenTheyAreFree() throws Exception {
        Head head = cluster.head(0);
        Node first = cluster.node(head.head().port(), 1, 3);
        first.node().awaitJoined();
        Node second = cluster.node(head.head().port(), 2, 4);
        assertThat(second.report())
                .contains(
                        "it refuses this node for now: data-parallel ranks: the head has ranks 1..2 of 127.0.1.2 already");
        first.close();
        assertThat(second.node().awaitJoined().placements()).hasSize(2);
        assertThat(head.head().statuses()).hasSize(1);
    }

    @Test
    void shouldEndWhenNoHeadComesInTime() throws Exception {
        Node node = cluster.node(headPort(), terms(1, 4), ClusterSecret.none(), SHORT);
        EngineException reason = node.node().ended().join();
        assertThat(reason.kind()).isEqualTo(Kind.UNAVAILABLE);
        assertThat(reason).hasMessageStartingWith("no head at 127.0.0.1:");
        assertThatThrownBy(() -> node.node().awaitJoined()).isSameAs(reason);
    }

    @Test
    void shouldJoinAgainWhenTheHeadReturns() throws Exception {
        int port = headPort();
        Head before = cluster.head(port);
        Node node = cluster.node(port, 1, 4);
        before.awaitAll();
        assertThat(node.report()).startsWith("joined");
        before.close();
        assertThat(node.report()).startsWith("the head at").contains("is gone");
        Head after = cluster.head(port);
        after.awaitAll();
        assertThat(after.head().statuses().getFirst().isUp()).isTrue();
        ClusterFixture.await(() -> node.node().isJoined());
    }

    @Test
    void shouldKnowWhenAndWhyANodeWentAndTakeItBack() throws Exception {
        Head head = cluster.head(0);
        Node node = cluster.node(head.head().port(), 1, 4);
        head.awaitAll();
        node.close();
        ClusterFixture.await(() -> !head.head().missing().isEmpty());
        MemberStatus down = head.head().statuses().getFirst();
        assertThat(down.placement()).isEqualTo(terms(1, 4).placement());
        assertThat(down.downReason()).contains("it was told to end");
        cluster.node(head.head().port(), 1, 4).node().awaitJoined();
        MemberStatus up = head.head().statuses().getFirst();
        assertThat(up.isUp()).isTrue();
        assertThat(up.joins()).isEqualTo(2);
        assertThat(head.counters().value(ClusterCounter.NODES_LEFT)).isEqualTo(1);
        assertThat(head.counters().value(ClusterCounter.NODES_LOST)).isZero();
    }

    private static JoinTerms with(JoinTerms terms, ParallelLayout layout) {
        return new JoinTerms(terms.tandemVersion(), terms.model(), layout, terms.kv(), terms.placement());
    }

    private static JoinTerms with(JoinTerms terms, ModelTerms model) {
        return new JoinTerms(terms.tandemVersion(), model, terms.layout(), terms.kv(), terms.placement());
    }

    private static JoinTerms with(JoinTerms terms, KvTerms kv) {
        return new JoinTerms(terms.tandemVersion(), terms.model(), terms.layout(), kv, terms.placement());
    }
}
