package dev.tandem.engine.cluster;

import static dev.tandem.engine.cluster.ClusterFixture.PATIENCE;
import static dev.tandem.engine.cluster.ClusterFixture.next;
import static dev.tandem.engine.cluster.ClusterFixture.request;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.engine.EngineStatus;
import dev.tandem.engine.cluster.ClusterFixture.Head;
import dev.tandem.engine.cluster.ClusterFixture.Node;
import dev.tandem.engine.cluster.FakeReplica.Taken;
import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.EngineException.Kind;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.Request;
import dev.tandem.engine.request.SamplingOptions;
import dev.tandem.engine.request.TokenEvent;
import dev.tandem.engine.request.TokenEvent.Failed;
import dev.tandem.engine.request.TokenEvent.FinishReason;
import dev.tandem.engine.request.TokenEvent.Finished;
import dev.tandem.engine.request.TokenEvent.Token;
import dev.tandem.engine.request.TokenStream;
import dev.tandem.trust.ClusterSecret;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class ReplicaTest {
    private final ClusterFixture cluster = new ClusterFixture();

    @AfterEach
    void close() {
        cluster.close();
    }

    private static Token token(int id) {
        return new Token(id, Optional.empty());
    }

    private static EngineException failure(TokenEvent event) {
        assertThat(event).isInstanceOf(Failed.class);
        return ((Failed) event).cause();
    }

    private static TokenStream pinned(Head head, String id, int rank) {
        return head.replicas().submit(request(id, 16), OptionalInt.of(rank));
    }

    @Test
    void shouldServeARequestOnARankOfAnotherProcess() throws Exception {
        Head head = cluster.head(0);
        Node node = cluster.node(head.head().port(), 1, 4);
        head.awaitAll();
        TokenStream stream = pinned(head, "r", 2);
        Taken taken = node.replicas().get(1).next();
        assertThat(taken.request().id()).isEqualTo("r");
        assertThat(taken.request().promptTokenIds()).containsExactly(1, 2, 3);
        taken.token(7);
        assertThat(next(stream)).isEqualTo(token(7));
        taken.token(8);
        taken.finish(FinishReason.LENGTH);
        assertThat(next(stream)).isEqualTo(token(8));
        assertThat(next(stream))
                .isEqualTo(
                        new Finished(FinishReason.LENGTH, OptionalInt.empty(), FakeReplica.usage(3), Optional.empty()));
        assertThat(head.counters().value(ClusterCounter.REQUESTS_FORWARDED)).isEqualTo(1);
    }

    @Test
    void shouldGiveRequestsToTheRankWithTheLeastToDoInTurn() throws Exception {
        Head head = cluster.head(0);
        Node node = cluster.node(head.head().port(), 1, 4);
        head.awaitAll();
        for (int i = 0; i < 8; i++) {
            head.replicas().submit(request("r" + i, 4));
        }
        for (int i = 0; i < 2; i++) {
            head.own().next();
            for (FakeReplica replica : node.replicas()) {
                replica.next();
            }
        }
        assertThat(head.own().hasNone()).isTrue();
    }

    @Test
    void shouldCountWhatWasGivenToARankUntilItEnds() throws Exception {
        Head head = cluster.head(0);
        Node node = cluster.node(head.head().port(), 1, 2);
        node.node().awaitJoined();
        for (int i = 0; i < 4; i++) {
            pinned(head, "p" + i, 0);
        }
        for (int i = 0; i < 4; i++) {
            head.replicas().submit(request("r" + i, 4));
            node.replicas().getFirst().next();
        }
        TokenStream ending = pinned(head, "last", 1);
        node.replicas().getFirst().next().finish(FinishReason.STOP);
        next(ending); // now both have four
        head.replicas().submit(request("s0", 4));
        head.replicas().submit(request("s1", 4));
        node.replicas().getFirst().next();
        assertThat(node.replicas().getFirst().hasNone()).isTrue();
    }

    @Test
    void shouldTakeWhatRunsForLessThanWhatWaits() throws Exception {
        Head head = cluster.head(0);
        Node node = cluster.node(head.head().port(), 1, 2);
        node.node().awaitJoined();
        FakeReplica far = node.replicas().getFirst();
        for (int i = 0; i < 3; i++) {
            pinned(head, "p" + i, 1);
            far.next();
        }
        pinned(head, "own", 0);
        far.show(FakeReplica.status(0, 3)); // 3, against 4 for one that waits
        ClusterFixture.await(() -> head.replicas().statuses().get(1).load().running() == 3);
        head.replicas().submit(request("r", 4));
        assertThat(far.next().request().id()).isEqualTo("r");
    }

    @Test
    void shouldBringRefusalsOfTheNodeAsTheFirstEvent() throws Exception {
        Head head = cluster.head(0);
        Node node = cluster.node(head.head().port(), 1, 4);
        head.awaitAll();
        node.replicas().getFirst().refuse(new EngineException(Kind.TOO_LONG, "too long by 3"));
        EngineException cause = failure(next(pinned(head, "r", 1)));
        assertThat(cause.kind()).isEqualTo(Kind.TOO_LONG);
        assertThat(cause).hasMessage("too long by 3");
    }

    @Test
    void shouldFailOnlyTheRequestThatTheNodeCannotRead() throws Exception {
        Head head = cluster.head(0);
        Node node = cluster.node(head.head().port(), 1, 4);
        head.awaitAll();
        EngineException cause = failure(next(pinned(head, "x".repeat(5000), 1)));
        assertThat(cause.kind()).isEqualTo(Kind.INVALID);
        assertThat(cause).hasMessage("request id bytes is 5000, but must be 0 to 4096");
        pinned(head, "good", 1);
        assertThat(node.replicas().getFirst().next().request().id()).isEqualTo("good");
    }

    @Test
    void shouldRefuseARequestThatIsLongerThanAFrame() throws Exception {
        Head head = cluster.head(0);
        cluster.node(head.head().port(), 1, 4);
        head.awaitAll();
        var ids = new int[1 << 20];
        Arrays.fill(ids, 1 << 20);
        var request = new Request("r", ids, SamplingOptions.greedy(1), new HandoffRole.None(), PATIENCE);
        assertThatThrownBy(() -> head.replicas().submit(request, OptionalInt.of(1)))
                .isInstanceOfSatisfying(
                        EngineException.class, e -> assertThat(e.kind()).isEqualTo(Kind.TOO_LONG))
                .hasMessageContaining("exceeds the 1048576 that can be sent to data-parallel ranks 1..3 on 127.0.1.2");
    }

    @Test
    void shouldCloseAndStopAtTheNode() throws Exception {
        Head head = cluster.head(0);
        Node node = cluster.node(head.head().port(), 1, 4);
        head.awaitAll();
        FakeReplica replica = node.replicas().getFirst();
        TokenStream aborted = pinned(head, "a", 1);
        replica.next();
        aborted.close();
        assertThat(replica.nextClosed().request().id()).isEqualTo("a");
        assertThat(((Finished) next(aborted)).reason()).isEqualTo(FinishReason.ABORT);
        TokenStream stopped = pinned(head, "s", 1);
        replica.next().token(4);
        next(stopped);
        stopped.stop();
        assertThat(replica.nextClosed().stream().closeReason()).isEqualTo(FinishReason.STOP);
        assertThat(((Finished) next(stopped)).reason()).isEqualTo(FinishReason.STOP);
    }

    @Test
    void shouldRunAgainElsewhereWhatHadNotAnsweredWhenItsNodeDied() throws Exception {
        Head head = cluster.head(0);
        Node node = cluster.node(head.head().port(), 1, 4);
        head.awaitAll();
        TokenStream stream = head.replicas().submit(request("own", 4)); // rank 0, so that the next goes elsewhere
        TokenStream lost = head.replicas().submit(request("r", 4));
        long seed =
                node.replicas().getFirst().next().request().sampling().seed().orElseThrow();
        head.own().next();
        node.close();
        var reader = new ArrayList<TokenEvent>();
        var reading = Thread.ofVirtual().start(() -> {
            try {
                reader.add(next(lost));
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
        Taken again = head.own().next();
        assertThat(again.request().id()).isEqualTo("r");
        assertThat(again.request().sampling().seed()).hasValue(seed);
        assertThat(again.request().deadline()).isLessThan(PATIENCE);
        again.token(5);
        reading.join();
        assertThat(reader).containsExactly(token(5));
        assertThat(head.counters().value(ClusterCounter.REQUESTS_RERUN)).isEqualTo(1);
        stream.close();
    }

    @Test
    void shouldFailWhatHadAnsweredWhenItsNodeLeft() throws Exception {
        Head head = cluster.head(0);
        Node node = cluster.node(head.head().port(), 1, 4);
        head.awaitAll();
        TokenStream stream = pinned(head, "r", 2);
        node.replicas().get(1).next().token(5);
        assertThat(next(stream)).isEqualTo(token(5));
        node.close();
        EngineException cause = failure(next(stream));
        assertThat(cause.kind()).isEqualTo(Kind.UNAVAILABLE);
        assertThat(cause).hasMessage("data-parallel ranks 1..3 on 127.0.1.2 left: it was told to end");
        assertThat(head.counters().value(ClusterCounter.REQUESTS_LOST)).isEqualTo(1);
    }

    @Test
    void shouldFailARequestWhoseRankDiesTwice() throws Exception {
        Head head = cluster.head(0, ClusterFixture.terms(0, 0), ClusterSecret.none());
        Node first = cluster.node(head.head().port(), 0, 1);
        Node second = cluster.node(head.head().port(), 1, 2);
        first.node().awaitJoined();
        second.node().awaitJoined();
        TokenStream stream = head.replicas().submit(request("r", 4));
        first.replicas().getFirst().next();
        first.close();
        var events = new ArrayList<TokenEvent>();
        var reading = Thread.ofVirtual().start(() -> {
            try {
                events.add(next(stream));
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
        second.replicas().getFirst().next();
        second.close();
        reading.join();
        assertThat(failure(events.getFirst()).kind()).isEqualTo(Kind.UNAVAILABLE);
    }

    @Test
    void shouldRefuseWhenNoRankIsThere() throws Exception {
        Head head = cluster.head(0, ClusterFixture.terms(0, 0), ClusterSecret.none());
        assertThatThrownBy(() -> head.replicas().submit(request("r", 4)))
                .isInstanceOfSatisfying(
                        EngineException.class, e -> assertThat(e.kind()).isEqualTo(Kind.UNAVAILABLE))
                .hasMessage("none of 4 data-parallel ranks is there");
        assertThat(head.replicas().status().failure()).contains("no data-parallel rank is there");
        assertThatThrownBy(() -> pinned(head, "r", 3)).hasMessage("data-parallel rank 3 is not there");
        assertThatThrownBy(() -> pinned(head, "r", 4)).hasMessage("data-parallel rank 4 is not between 0 and 3");
    }

    @Test
    void shouldPassOverRanksThatAreDown() throws Exception {
        Head head = cluster.head(0);
        Node node = cluster.node(head.head().port(), 1, 2);
        node.node().awaitJoined();
        EngineStatus well = FakeReplica.status(0, 0);
        node.replicas()
                .getFirst()
                .show(new EngineStatus(Optional.of("broken"), well.load(), well.blocks(), well.counters()));
        ClusterFixture.await(() -> head.replicas().statuses().get(1).failure().isPresent());
        for (int i = 0; i < 3; i++) {
            head.replicas().submit(request("r" + i, 4));
            head.own().next();
        }
        assertThat(head.replicas().status().failure()).isEmpty();
    }

    @Test
    void shouldKeepAnIdForOneRequestUntilItEnds() throws Exception {
        Head head = cluster.head(0);
        TokenStream first = head.replicas().submit(request("r", 4));
        assertThatThrownBy(() -> head.replicas().submit(request("r", 4)))
                .isInstanceOfSatisfying(
                        EngineException.class, e -> assertThat(e.kind()).isEqualTo(Kind.INVALID))
                .hasMessage("request id r is in use: it is being served");
        head.own().next().finish(FinishReason.STOP);
        next(first);
        head.replicas().submit(request("r", 4)).close();
        head.replicas().submit(request("r", 4));
    }

    @Test
    void shouldTakeALeaseBackWhereItWasGiven() throws Exception {
        Head head = cluster.head(0);
        Node node = cluster.node(head.head().port(), 1, 4);
        head.awaitAll();
        var lend = new Request("r", new int[] {1}, SamplingOptions.greedy(1), new HandoffRole.Lend(), PATIENCE);
        head.replicas().submit(lend, OptionalInt.of(2));
        node.replicas().get(1).next();
        head.replicas().cancelLease("r");
        assertThat(node.replicas().get(1).nextCancelled()).isEqualTo("r");
        head.replicas().cancelLease("unknown"); // may be anybody's
        assertThat(head.own().nextCancelled()).isEqualTo("unknown");
        for (FakeReplica replica : node.replicas()) {
            assertThat(replica.nextCancelled()).isEqualTo("unknown");
        }
    }

    @Test
    void shouldAbortWhatTheHeadAskedForWhenTheHeadDies() throws Exception {
        Head head = cluster.head(0);
        Node node = cluster.node(head.head().port(), 1, 4);
        head.awaitAll();
        pinned(head, "a", 1);
        pinned(head, "b", 2);
        node.replicas().get(0).next();
        node.replicas().get(1).next();
        assertThat(node.report()).startsWith("joined");
        head.close();
        assertThat(node.replicas().get(0).nextClosed().request().id()).isEqualTo("a");
        assertThat(node.replicas().get(1).nextClosed().request().id()).isEqualTo("b");
        assertThat(node.report()).contains("is gone");
    }

    @Test
    void shouldShowTheStatesOfAllRanks() throws Exception {
        Head head = cluster.head(0);
        Node node = cluster.node(head.head().port(), 1, 4);
        head.awaitAll();
        for (int i = 0; i < 3; i++) {
            node.replicas().get(i).show(FakeReplica.status(i, 2 * i));
        }
        ClusterFixture.await(() -> head.replicas().status().load().running() == 6);
        assertThat(head.replicas().statuses().get(3).load().waiting()).isEqualTo(2);
        assertThat(head.replicas().status().load().waiting()).isEqualTo(3);
        assertThat(head.replicas().status().blocks().total()).isEqualTo(64 * 4);
    }

    @Test
    void shouldKeepTokensAtTheNodeWhileTheConnectionIsFull() throws Exception {
        Head head = cluster.head(0);
        Node node = cluster.node(head.head().port(), 1, 2);
        node.node().awaitJoined();
        int count = 20_000;
        TokenStream stream = head.replicas().submit(request("r", count), OptionalInt.of(1));
        Taken taken = node.replicas().getFirst().next();
        for (int i = 0; i < count; i++) {
            taken.token(i);
        }
        taken.finish(FinishReason.LENGTH);
        var ids = new ArrayList<Integer>();
        while (next(stream) instanceof Token token) {
            ids.add(token.id());
        }
        assertThat(ids).hasSize(count).isSorted();
        assertThat(List.of(ids.getFirst(), ids.getLast())).containsExactly(0, count - 1);
    }
}
