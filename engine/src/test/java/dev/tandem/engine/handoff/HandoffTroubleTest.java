package dev.tandem.engine.handoff;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.engine.handoff.HandoffConfig.Connector;
import dev.tandem.engine.handoff.HandoffConfig.Role;
import dev.tandem.engine.handoff.HandoffEvent.FetchFailed;
import dev.tandem.engine.handoff.runtime.HandoffRuntime;
import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.HandoffTicket;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A side channel whose thread hangs: nobody hears a question or a done message, so nothing new begins. */
@Timeout(120)
class HandoffTroubleTest {
    private final HandoffRuntime runtime = HandoffRuntime.start(HandoffReplica.HOST);

    private HandoffReplica replica(String engineId, Connector connector) {
        HandoffConfig config = HandoffReplica.config(engineId, 0, Role.BOTH, connector, new Peers.FromTicket(1));
        return new HandoffReplica(config, runtime, List.of(KvFixtures.layout(16, 1, 1, 8)));
    }

    @Test
    void shouldBeginNothingWhileTheSideChannelHangs() {
        var mayGoOn = new CompletableFuture<Boolean>();
        try (var pull = replica("0", Connector.PULL);
                var push = replica("1", Connector.LAYERWISE)) {
            HandoffTicket ticket = pull.handoff.lend("lent before", new int[] {1}, 0, 0);
            assertThat(runtime.trouble()).isEmpty();
            runtime.channel().execute(mayGoOn::join);
            awaitTrouble();
            assertUnavailable(() -> pull.handoff.lend("r", new int[] {2}, 0, 0));
            assertUnavailable(() -> push.handoff.receive(TestConnector.prompt("r", 16, 0, 1), 0));
            pull.handoff.fetch("f", ticket, 16, 0, new int[] {3}, 0);
            assertThat(pull.next())
                    .isInstanceOfSatisfying(
                            FetchFailed.class,
                            failed -> assertThat(failed.cause()).hasMessageContaining("does not answer"));
            mayGoOn.complete(true);
        } finally {
            mayGoOn.complete(true);
            runtime.close();
        }
    }

    private void awaitTrouble() {
        long endNs = System.nanoTime() + Duration.ofSeconds(60).toNanos();
        while (runtime.trouble().isEmpty()) {
            assertThat(System.nanoTime() - endNs).as("noticed in time").isNegative();
            Thread.yield();
        }
    }

    private static void assertUnavailable(Runnable lending) {
        assertThatThrownBy(lending::run)
                .isInstanceOfSatisfying(
                        EngineException.class,
                        refused -> assertThat(refused.kind()).isEqualTo(EngineException.Kind.UNAVAILABLE))
                .hasMessageContaining("no KV is lent: the side channel does not answer");
    }
}
