package dev.tandem.gateway.routing;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.api.HttpAddress;
import dev.tandem.gateway.fleet.Fleet;
import dev.tandem.gateway.fleet.FleetNode;
import dev.tandem.gateway.fleet.HandoffKind;
import dev.tandem.gateway.fleet.LegReservation;
import dev.tandem.gateway.fleet.NodeKey;
import dev.tandem.gateway.fleet.NodeLoad;
import dev.tandem.gateway.fleet.NodeRole;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class RoutingPolicyTest {
    private final Fleet fleet = new Fleet(
            List.of(new HttpAddress("p", 1), new HttpAddress("p", 2)),
            List.of(new HttpAddress("d", 1), new HttpAddress("d", 2)),
            HandoffKind.PULL,
            new NodeKey(Optional.empty(), Optional.empty(), true),
            System::nanoTime);
    private final List<FleetNode> prefill = fleet.nodes(NodeRole.PREFILL);
    private final List<FleetNode> decode = fleet.nodes(NodeRole.DECODE);

    private static List<NodeLoad> loads(List<FleetNode> nodes) {
        return nodes.stream().map(FleetNode::load).toList();
    }

    private RoutePlan plan(long seed) {
        return RoutingPolicy.plan(loads(prefill), loads(decode), seed);
    }

    @Test
    void shouldWeighRequestsAsTheExampleProxy() {
        assertThat(RoutingPolicy.prefillCost(4000)).isEqualTo(154_575); // 1000 · 0.0345 + 120.0745
        assertThat(RoutingPolicy.decodeCost(4000)).isEqualTo(4_000_000);
    }

    @Test
    void shouldSpreadRequestsOverIdleNodes() {
        Map<FleetNode, Integer> chosen = new HashMap<>();
        SplittableRandom random = new SplittableRandom(7);
        for (int i = 0; i < 1000; i++) {
            RoutePlan plan = plan(random.nextLong());
            chosen.merge(plan.prefill().orElseThrow(), 1, Integer::sum);
            chosen.merge(plan.decode().orElseThrow(), 1, Integer::sum);
        }
        assertThat(chosen).hasSize(4);
        assertThat(chosen.values()).allSatisfy(count -> assertThat(count).isBetween(400, 600));
    }

    @Test
    void shouldChooseTheNodeWithFewerTokensUnderWay() {
        prefill.get(0).reserve(200, 200);
        decode.get(1).reserve(10, 0);
        for (long seed = 0; seed < 50; seed++) {
            assertThat(plan(seed).prefill()).contains(prefill.get(1));
            assertThat(plan(seed).decode()).contains(decode.get(0));
        }
    }

    @Test
    void shouldCountHeldBlocksAtThreeTenths() {
        LegReservation answered = prefill.get(0).reserve(1000, 1000);
        answered.settleTokens(); // 300 left
        LegReservation other = prefill.get(1).reserve(301, 0);
        assertThat(plan(1).prefill()).contains(prefill.get(0));
        other.settle();
        prefill.get(1).reserve(299, 0);
        assertThat(plan(1).prefill()).contains(prefill.get(1));
    }

    @Test
    void shouldGiveLoadBackExactlyOnce() {
        LegReservation reservation = prefill.get(0).reserve(100, 50);
        assertThat(prefill.get(0).inFlight()).isEqualTo(1);
        reservation.settleTokens();
        assertThat(prefill.get(0).load().activeTokens()).isZero();
        assertThat(prefill.get(0).load().activeKv()).isEqualTo(50);
        assertThat(prefill.get(0).inFlight()).isZero();
        reservation.settle();
        reservation.settle();
        assertThat(prefill.get(0).load()).isEqualTo(new NodeLoad(prefill.get(0), 0, 0));
        assertThat(prefill.get(0).inFlight()).isZero();
    }

    @Test
    void shouldPlanWithoutNodesThatAreNotThere() {
        RoutePlan plan = RoutingPolicy.plan(List.of(), loads(decode), 3);
        assertThat(plan.prefill()).isEmpty();
        assertThat(plan.decode()).isPresent();
    }
}
