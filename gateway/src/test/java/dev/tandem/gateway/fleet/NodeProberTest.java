package dev.tandem.gateway.fleet;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.api.HttpAddress;
import dev.tandem.api.client.HttpClient;
import dev.tandem.api.client.HttpClientConfig;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class NodeProberTest {
    /** A time that nobody can count in nanoseconds makes every question fail by a fault of ours. */
    private static final Duration BEYOND_ALL_CLOCKS = Duration.ofSeconds(Long.MAX_VALUE);

    @Test
    void shouldGoOnJudgingAfterAFaultOfOurs() {
        var fleet = new Fleet(
                List.of(),
                List.of(new HttpAddress("127.0.0.1", 1)),
                HandoffKind.PULL,
                new NodeKey(Optional.empty(), Optional.empty(), true),
                System::nanoTime);
        var schedule = new ProbeSchedule(
                Duration.ofMillis(1), Duration.ofMillis(1), Duration.ofMillis(1), BEYOND_ALL_CLOCKS, BEYOND_ALL_CLOCKS);
        try (HttpClient http = HttpClient.start(HttpClientConfig.DEFAULT)) {
            fleet.startProbing(http, schedule, Duration.ofSeconds(50));
            FleetNode node = fleet.nodes(NodeRole.DECODE).getFirst();
            assertThat(node.verdict().cause()).contains("not judged by a fault of the gateway");
            node.markUp();
            long endNs = System.nanoTime() + Duration.ofSeconds(50).toNanos();
            while (node.isHealthy()) {
                assertThat(System.nanoTime() - endNs).as("judged again in time").isNegative();
                Thread.yield();
            }
        } finally {
            fleet.close();
        }
    }
}
