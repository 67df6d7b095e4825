package dev.tandem.gateway.protocol;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.api.HttpAddress;
import dev.tandem.api.client.HttpCalls;
import dev.tandem.counter.Counters;
import dev.tandem.gateway.fleet.Fleet;
import dev.tandem.gateway.fleet.FleetNode;
import dev.tandem.gateway.fleet.HandoffKind;
import dev.tandem.gateway.fleet.NodeKey;
import dev.tandem.gateway.fleet.NodeRole;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import org.junit.jupiter.api.Test;

class HandoffCancelsTest {
    private static final String NOT_CALLED = "not on an event loop of this client";

    private final Counters<GatewayCounter> counters = new Counters<>(GatewayCounter.class);
    private final List<String> called = new ArrayList<>();
    private final Queue<Runnable> posted = new ArrayDeque<>();
    private final FleetNode node = new Fleet(
                    List.of(new HttpAddress("p", 1)),
                    List.of(new HttpAddress("d", 1)),
                    HandoffKind.PULL,
                    new NodeKey(Optional.empty(), Optional.empty(), true),
                    System::nanoTime)
            .nodes(NodeRole.PREFILL)
            .getFirst();
    private int failures;

    private final HttpCalls http = (call, listener) -> {
        if (failures > 0) {
            failures--;
            throw new IllegalStateException(NOT_CALLED);
        }
        called.add(new String(call.body(), StandardCharsets.UTF_8));
        posted.add(listener::end);
        return null;
    };

    private final HandoffCancels cancels = new HandoffCancels(http, counters);

    private void send(String id, Executor loop) {
        cancels.send(node, id, Map.of(), loop);
    }

    /** As an event loop, which survives what it runs. */
    private void runLoop() {
        for (Runnable next = posted.poll(); next != null; next = posted.poll()) {
            try {
                next.run();
            } catch (IllegalStateException notCalled) {
                assertThat(notCalled).hasMessage(NOT_CALLED);
            }
        }
    }

    @Test
    void shouldCallANodeAgainAfterACallThatCouldNotBeMade() {
        failures = 1;
        send("first", posted::add);
        send("second", posted::add);
        runLoop();
        send("third", posted::add);
        runLoop();

        assertThat(called).containsExactly("{\"request_id\":\"third\"}");
        assertThat(counters.value(GatewayCounter.HANDOFF_CANCELS_FAILED)).isEqualTo(2);
    }

    @Test
    void shouldCallANodeAgainAfterALoopThatTookNothing() {
        send("first", task -> {
            throw new RejectedExecutionException("the loop has ended");
        });
        send("second", posted::add);
        runLoop();

        assertThat(called).containsExactly("{\"request_id\":\"second\"}");
        assertThat(counters.value(GatewayCounter.HANDOFF_CANCELS_FAILED)).isEqualTo(1);
    }
}
