package dev.tandem.engine.handoff.push;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.counter.Counters;
import dev.tandem.engine.handoff.HandoffConfig;
import dev.tandem.engine.handoff.HandoffConfig.Connector;
import dev.tandem.engine.handoff.HandoffConfig.FailurePolicy;
import dev.tandem.engine.handoff.HandoffConfig.Role;
import dev.tandem.engine.handoff.HandoffCounter;
import dev.tandem.engine.handoff.HandoffEvent;
import dev.tandem.engine.handoff.HandoffEvent.FetchDone;
import dev.tandem.engine.handoff.HandoffEvent.FetchFailed;
import dev.tandem.engine.handoff.Invitation;
import dev.tandem.engine.handoff.KvFixtures;
import dev.tandem.engine.handoff.Peers;
import dev.tandem.engine.handoff.PromptBlocks;
import dev.tandem.engine.handoff.lease.BlockLease;
import dev.tandem.engine.handoff.lease.LeaseDirectory;
import dev.tandem.engine.handoff.lease.VirtualIds;
import dev.tandem.engine.handoff.runtime.SumThread;
import dev.tandem.engine.request.PromptDigest;
import dev.tandem.kv.KvPool;
import dev.tandem.transfer.Region.Operation;
import dev.tandem.transfer.TransferException.Kind;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** The receiver alone: the test plays the engine loop, the side channel, the transfer threads and the metaserver. */
class PushReceiverTest {
    private static final Duration LEASE = Duration.ofMinutes(1);
    private static final Duration FETCH = Duration.ofSeconds(20);
    private static final List<Integer> NO_SUMS = List.of(); // as a prefill node of an older version says
    private static final Duration REQUEST = Duration.ofMinutes(10);

    private final KvPool pool = new KvPool(KvFixtures.layout(16, 2, 2, 8), 8);
    private final LeaseDirectory directory = new LeaseDirectory();
    private final Counters<HandoffCounter> counters = new Counters<>(HandoffCounter.class);
    private final List<Invitation> invitations = new ArrayList<>();
    private final List<Consumer<Optional<String>>> answers = new ArrayList<>();
    private final List<String> calledOff = new ArrayList<>();
    private final SumThread sums = new SumThread();
    private final PushReceiver receiver = new PushReceiver(
            config(),
            List.of(pool, pool),
            this::invite,
            "life",
            new VirtualIds(1L << 40, new SplittableRandom(5), directory),
            counters,
            sums,
            () -> {});

    @AfterEach
    void close() {
        sums.close();
        pool.close();
    }

    @Test
    void shouldInviteWithEverythingThatAPrefillNodeNeeds() {
        begin("cmpl-7-0", 32);
        assertThat(invitations).hasSize(1);
        assertThat(invitations.getFirst().metaserver()).isEqualTo("http://gateway");
        assertThat(invitations.getFirst().timeout()).isEqualTo(REQUEST);
        assertThat(invitations.getFirst().params())
                .containsEntry("request_id", "cmpl-7-0")
                .containsEntry("do_remote_prefill", false)
                .containsEntry("do_remote_decode", true)
                .containsEntry("token_ids", List.of())
                .containsEntry("remote_block_ids", List.of(lease("cmpl-7-0").firstVirtualId()))
                .containsEntry("remote_engine_id", "1")
                .containsEntry("remote_tp_size", 2)
                .containsEntry("remote_block_size", List.of(16))
                .containsEntry("remote_cached_tokens", 32)
                .containsEntry("tandem_incarnation", "life")
                .containsEntry("remote_host", "127.0.0.1")
                .containsEntry("remote_port", 30_000)
                .containsEntry("tandem_prompt", PromptDigest.of(prompt()));
    }

    @Test
    void shouldReportTheEndOnlyWhenNoWriteIsOpen() {
        begin("r", 0);
        BlockLease lease = lease("r");
        assertThat(lease.allows(Operation.WRITE)).isTrue();
        assertThat(lease.allows(Operation.READ)).isFalse();
        assertThat(lease.tryOpen()).isTrue();
        assertThat(receiver.done("r", OptionalLong.of(lease.firstVirtualId()), NO_SUMS))
                .isTrue();
        assertThat(poll(1)).as("a write is open").isEmpty();
        assertThat(lease.tryOpen()).as("a late write").isFalse();
        assertThat(lease.closeOne()).isTrue();
        receiver.quiesced(lease);
        assertThat(poll(2)).singleElement().isInstanceOfSatisfying(FetchDone.class, done -> {
            assertThat(done.requestId()).isEqualTo("r");
            assertThat(done.bytes()).isEqualTo(40 * 2 * pool.layout().tokenBytes());
        });
    }

    @Test
    void shouldCallOffTheInvitationOfAWaitThatEndsWithoutThePrompt() {
        begin("left", 0);
        begin("failed", 0);
        begin("written", 0);
        receiver.cancel("left", "its client is gone");
        receiver.failed("failed", OptionalLong.of(lease("failed").firstVirtualId()), "the prefill node failed");
        receiver.done("written", OptionalLong.of(lease("written").firstVirtualId()), NO_SUMS);
        assertThat(poll(1)).hasSize(3);
        assertThat(calledOff).containsExactly("left", "failed");
    }

    @Test
    void shouldKeepTheFirstWord() {
        begin("r", 0);
        OptionalLong lease = OptionalLong.of(lease("r").firstVirtualId());
        receiver.done("r", lease, NO_SUMS);
        receiver.failed("r", lease, "too late");
        answers.getFirst().accept(Optional.of("status 502"));
        assertThat(poll(1)).singleElement().isInstanceOf(FetchDone.class);
        assertThat(poll(2)).isEmpty();
        assertThat(receiver.done("r", lease, NO_SUMS)).as("repeated").isFalse();
    }

    @Test
    void shouldTakeAFailureWithoutALeaseForTheRequests() {
        begin("r", 0);
        assertThat(receiver.failed("r", OptionalLong.empty(), "why")).isTrue();
        assertFailed(poll(1), Kind.PEER_GONE, "why");
    }

    @Test
    void shouldNotHearWordsOnUnknownLeases() {
        begin("r", 0);
        assertThat(receiver.done("s", OptionalLong.of(lease("r").firstVirtualId()), NO_SUMS))
                .isFalse();
        assertThat(receiver.done("r", OptionalLong.of(lease("r").firstVirtualId() + 1), NO_SUMS))
                .isFalse();
        assertThat(poll(1)).isEmpty();
        assertThat(counters.value(HandoffCounter.DONE_UNKNOWN)).isEqualTo(2);
    }

    @Test
    void shouldEndWhenNothingMovesForTheTimeOfALease() {
        begin("r", 0);
        assertThat(receiver.nextDeadlineNs()).isEqualTo(LEASE.toNanos());
        assertThat(poll(LEASE.toNanos() - 1)).isEmpty();
        assertFailed(poll(LEASE.toNanos()), Kind.TIMED_OUT, "nothing of the KV was pushed for 60000 ms");
        assertThat(receiver.nextDeadlineNs()).isEqualTo(Long.MAX_VALUE);
    }

    @Test
    void shouldWaitAsLongAsSomethingMoves() {
        begin("slow", 0);
        begin("silent", 0);
        BlockLease slow = lease("slow");
        long nowNs = 0;
        for (int layer = 0; layer < 8; layer++) { // eight minutes of computing
            assertThat(slow.tryOpen()).isTrue();
            slow.closeOne();
            nowNs += LEASE.toNanos();
            List<HandoffEvent> events = poll(nowNs);
            assertThat(events).extracting(HandoffEvent::requestId).doesNotContain("slow");
            assertThat(receiver.nextDeadlineNs()).isEqualTo(nowNs + LEASE.toNanos());
        }
        assertThat(directory.ofRequest("silent"))
                .as("ended at its own deadline")
                .isNull();
        receiver.done("slow", OptionalLong.of(slow.firstVirtualId()), NO_SUMS);
        assertThat(poll(nowNs)).singleElement().isInstanceOf(FetchDone.class);
    }

    @Test
    void shouldWaitForATransferOnlyOnceThePromptIsComputed() {
        begin("r", 0);
        answers.getFirst().accept(Optional.empty());
        assertThat(poll(7)).isEmpty();
        assertThat(receiver.nextDeadlineNs()).isEqualTo(7 + FETCH.toNanos());
        assertFailed(poll(7 + FETCH.toNanos()), Kind.TIMED_OUT, "pushed for 20000 ms");
    }

    private static void assertFailed(List<HandoffEvent> events, Kind kind, String message) {
        assertThat(events).singleElement().isInstanceOfSatisfying(FetchFailed.class, failed -> {
            assertThat(failed.cause().kind()).isEqualTo(kind);
            assertThat(failed.cause()).hasMessageContaining(message);
        });
    }

    private void begin(String requestId, int cachedTokens) {
        receiver.start(
                "http://gateway",
                new PromptBlocks(requestId, prompt(), cachedTokens, new int[] {3, 1, 2}, REQUEST.toNanos()),
                "127.0.0.1",
                30_000,
                0);
    }

    private static int[] prompt() {
        var tokens = new int[40];
        tokens[0] = 1;
        return tokens;
    }

    private BlockLease lease(String requestId) {
        return Objects.requireNonNull(directory.ofRequest(requestId), requestId);
    }

    private List<HandoffEvent> poll(long nowNs) {
        var events = new ArrayList<HandoffEvent>();
        receiver.poll(nowNs, events);
        return events;
    }

    private Runnable invite(Invitation invitation, Consumer<Optional<String>> answered) {
        invitations.add(invitation);
        answers.add(answered);
        return () -> calledOff.add(String.valueOf(invitation.params().get("request_id")));
    }

    private static HandoffConfig config() {
        return new HandoffConfig(
                "1",
                0,
                Role.CONSUMER,
                Connector.LAYERWISE,
                new Peers.FromTicket(1),
                LEASE,
                FETCH,
                FailurePolicy.RECOMPUTE);
    }
}
