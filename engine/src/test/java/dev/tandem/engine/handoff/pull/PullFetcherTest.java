package dev.tandem.engine.handoff.pull;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.counter.Counters;
import dev.tandem.engine.handoff.HandoffConfig;
import dev.tandem.engine.handoff.HandoffCounter;
import dev.tandem.engine.handoff.HandoffEvent;
import dev.tandem.engine.handoff.HandoffEvent.FetchDone;
import dev.tandem.engine.handoff.HandoffEvent.FetchFailed;
import dev.tandem.engine.handoff.HandoffLimits;
import dev.tandem.engine.handoff.KvFixtures;
import dev.tandem.engine.handoff.Peers;
import dev.tandem.engine.handoff.TestConnector;
import dev.tandem.engine.handoff.plan.PeerMetadata;
import dev.tandem.engine.handoff.runtime.InFlightTransfers;
import dev.tandem.engine.handoff.runtime.PeerNotices;
import dev.tandem.engine.handoff.sidechannel.PeerMetadataCache;
import dev.tandem.engine.handoff.sidechannel.SideChannel;
import dev.tandem.engine.handoff.sidechannel.SideChannelCodec;
import dev.tandem.engine.handoff.sidechannel.SideChannelDialect;
import dev.tandem.engine.handoff.sidechannel.SideChannelMessage;
import dev.tandem.engine.handoff.sidechannel.ZmtpSideChannel;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.kv.KvLayout;
import dev.tandem.kv.KvPool;
import dev.tandem.transfer.Region.Operation;
import dev.tandem.transfer.SpanBatch;
import dev.tandem.transfer.Transfer;
import dev.tandem.transfer.TransferException;
import dev.tandem.transfer.TransferException.Kind;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A connector against a prefill node that answers the side channel for real; only the moving of bytes is scripted. */
@Timeout(60)
class PullFetcherTest {
    private static final String HOST = "127.0.0.1";
    private static final long TIMEOUT_NS = Duration.ofSeconds(30).toNanos();

    private final KvLayout layout = KvFixtures.layout(16, 1, 2, 4);
    private final KvPool pool = new KvPool(layout, 8);
    private final Counters<HandoffCounter> counters = new Counters<>(HandoffCounter.class);
    private final HandoffLimits limits = answering(Duration.ofSeconds(10));
    private final SideChannel channel = ZmtpSideChannel.start(limits, counters);
    private final Semaphore wakes = new Semaphore(0);
    private final ArrayDeque<HandoffEvent> unread = new ArrayDeque<>();
    private final ScriptedReader reader = new ScriptedReader();
    private PullFetcher fetcher = fetcher(channel, limits);
    private final PrefillNode prefill = new PrefillNode();

    @AfterEach
    void close() {
        prefill.channel.close();
        channel.close();
        pool.close();
    }

    @Test
    void shouldReadWhatThePlanSaysAndSayDone() throws Exception {
        fetch("r", ticket("r"), 0);
        Posted posted = reader.posted.take();
        assertThat(posted.peer).isEqualTo(HOST + ":15001");
        assertThat(posted.spans.totalBytes()).isEqualTo(20 * layout.tokenBytes());
        assertThat(posted.spans.remoteAddress(0)).isEqualTo((1L << 40) + 5 * layout.blockBytes(0));
        posted.succeed();
        assertThat(nextEvent()).isInstanceOfSatisfying(FetchDone.class, done -> {
            assertThat(done.requestId()).isEqualTo("r");
            assertThat(done.bytes()).isEqualTo(20 * layout.tokenBytes());
            assertThat(done.nanos()).isPositive();
        });
        assertThat(prefill.done.take()).isEqualTo("r");
    }

    @Test
    void shouldSayDoneUnderTheIdThatThePrefillNodeLentAs() throws Exception {
        fetch("d-side", ticket("p-side"), 0);
        reader.posted.take().succeed();
        assertThat(prefill.done.take()).isEqualTo("p-side");
    }

    @Test
    void shouldReadNothingWhenAllIsCached() throws Exception {
        fetch("r", ticket("r"), 20);
        assertThat(nextEvent())
                .isInstanceOfSatisfying(
                        FetchDone.class, done -> assertThat(done.bytes()).isZero());
        assertThat(prefill.done.take()).isEqualTo("r");
        assertThat(reader.posted).isEmpty();
    }

    @Test
    void shouldFailAndSayDoneWhenTheReadFails() throws Exception {
        fetch("r", ticket("r"), 0);
        reader.posted.take().fail(Kind.REJECTED);
        assertFailed(Kind.REJECTED, "scripted");
        assertThat(prefill.done.take()).isEqualTo("r");
    }

    @Test
    void shouldFailWhenFewerBytesCameThanWereAskedFor() throws Exception {
        fetch("r", ticket("r"), 0);
        reader.posted.take().succeedWith(1);
        assertFailed(Kind.CORRUPT, "1 bytes came");
    }

    @Test
    void shouldAskForMetadataOnceForManyFetches() throws Exception {
        for (int request = 0; request < 5; request++) {
            fetch("r" + request, ticket("r" + request), 0);
        }
        for (int request = 0; request < 5; request++) {
            reader.posted.take().succeed();
        }
        for (int request = 0; request < 5; request++) {
            assertThat(nextEvent()).isInstanceOf(FetchDone.class);
        }
        assertThat(counters.value(HandoffCounter.METADATA_ASKED)).isEqualTo(1);
    }

    @Test
    void shouldRefuseAnEngineThatNamesItselfOtherwise() throws Exception {
        prefill.metadata = metadata("0_dp1", 1L << 40, "life1");
        fetch("r", ticket("r"), 0);
        assertFailed(Kind.REJECTED, "\"0_dp1\", but the ticket's remote_engine_id is \"0\"");
        assertThat(prefill.done.take()).isEqualTo("r");
    }

    @Test
    void shouldRefuseItsOwnEngineId() throws Exception {
        fetch("r", new HandoffTicket("1", HOST, prefill.port, new long[] {5, 6}, 3, Map.of()), 0);
        assertFailed(Kind.REJECTED, "each node needs its own");
    }

    @Test
    void shouldRefuseATicketOfAnEarlierLife() throws Exception {
        fetch("r", ticket("r"), 0);
        reader.posted.take().succeed();
        assertThat(nextEvent()).isInstanceOf(FetchDone.class);
        prefill.metadata = metadata("0", 1L << 41, "life2");
        fetch("old", ticket("old"), 0); // the connector still believes in life 1, and so does the ticket
        reader.posted.take().fail(Kind.REJECTED);
        assertFailed(Kind.REJECTED, "restarted since it wrote the ticket");
        fetch("new", ticket("new", "life2"), 0);
        assertThat(reader.posted.take().spans.remoteAddress(0)).isEqualTo((1L << 41) + 5 * layout.blockBytes(0));
        assertThat(counters.value(HandoffCounter.METADATA_REFRESHED)).isEqualTo(1);
        fetch("late", ticket("late", "life1"), 0);
        assertFailed(Kind.REJECTED, "restarted since it wrote the ticket");
    }

    @Test
    void shouldReadAgainOnceWhenCachedAddressesHaveChanged() throws Exception {
        fetch("r", bareTicket(), 0);
        reader.posted.take().succeed();
        assertThat(nextEvent()).isInstanceOf(FetchDone.class);
        prefill.metadata = metadata("0", 1L << 41, "life2");
        fetch("s", bareTicket(), 0);
        reader.posted.take().fail(Kind.PEER_GONE);
        Posted again = reader.posted.take();
        assertThat(again.spans.remoteAddress(0)).isEqualTo((1L << 41) + 5 * layout.blockBytes(0));
        again.fail(Kind.PEER_GONE);
        assertFailed(Kind.PEER_GONE, "scripted");
    }

    @Test
    void shouldReportTheReadsFailureWhenTheAddressesAreUnchanged() throws Exception {
        fetch("r", bareTicket(), 0);
        reader.posted.take().succeed();
        assertThat(nextEvent()).isInstanceOf(FetchDone.class);
        fetch("s", bareTicket(), 0);
        reader.posted.take().fail(Kind.TIMED_OUT);
        assertFailed(Kind.TIMED_OUT, "scripted");
        assertThat(reader.posted).isEmpty();
    }

    @Test
    void shouldRefuseAPeerThatDoesNotTellItsLayout() throws Exception {
        prefill.metadata = new PeerMetadata("0", 15_001, List.of(1L << 40, 1L << 41), 100, Optional.empty());
        fetch("r", bareTicket(), 0);
        assertFailed(Kind.REJECTED, "does not tell the layout");
    }

    @Test
    void shouldFailWhenNobodyAnswers() throws Exception {
        prefill.channel.close();
        HandoffLimits hasty = answering(Duration.ofMillis(300));
        try (var hastyChannel = ZmtpSideChannel.start(hasty, counters)) {
            fetcher = fetcher(hastyChannel, hasty);
            fetch("r", ticket("r"), 0);
            assertFailed(Kind.PEER_GONE, "no answer from tcp://" + HOST);
        }
    }

    @Test
    void shouldReportACancelOnlyWhenTheMemoryIsAtRest() throws Exception {
        fetch("r", ticket("r"), 0);
        Posted posted = reader.posted.take();
        fetcher.cancel("r", "no more");
        fetcher.cancel("unknown", "no more");
        posted.cancelled.get(10, TimeUnit.SECONDS);
        assertThat(drain(0)).as("bytes may still arrive").isEmpty();
        posted.fail(Kind.CANCELLED);
        assertFailed(Kind.CANCELLED, "cancelled");
        assertThat(prefill.done.take()).isEqualTo("r");
    }

    @Test
    void shouldNeverReportSuccessAfterACancel() throws Exception {
        fetch("r", ticket("r"), 0);
        Posted posted = reader.posted.take();
        fetcher.cancel("r", "no more");
        posted.cancelled.get(10, TimeUnit.SECONDS);
        posted.succeed();
        assertFailed(Kind.CANCELLED, "cancelled");
    }

    @Test
    void shouldGiveUpAtTheDeadline() throws Exception {
        fetch("r", ticket("r"), 0);
        Posted posted = reader.posted.take();
        assertThat(fetcher.nextDeadlineNs()).isEqualTo(TIMEOUT_NS);
        assertThat(drain(TIMEOUT_NS)).isEmpty();
        assertThat(fetcher.nextDeadlineNs()).as("no second wake-up").isEqualTo(Long.MAX_VALUE);
        posted.cancelled.get(10, TimeUnit.SECONDS);
        posted.fail(Kind.CANCELLED);
        assertFailed(Kind.TIMED_OUT, "not here within 30000 ms");
    }

    @Test
    void shouldNotAskForTheKvOfAnotherPrompt() throws Exception {
        fetch("r", ticket("r").with(HandoffTicket.PROMPT, "20-abc"), 0);
        assertFailed(Kind.REJECTED, "tokenizers or chat templates differ");
        assertThat(prefill.done.take()).isEqualTo("r");
        assertThat(counters.value(HandoffCounter.METADATA_ASKED)).isZero();
    }

    @Test
    void shouldFailAtOnceWhenTheSideChannelIsBehind() throws Exception {
        var mayGoOn = new CompletableFuture<Boolean>();
        channel.execute(mayGoOn::join);
        while (channel.offer(() -> {})) {
            // as much waits as may
        }
        fetch("r", ticket("r"), 0);
        fetcher.cancel("r", "no more");
        assertFailed(Kind.OVERLOADED, "the side channel is behind");
        mayGoOn.complete(true);
        var caughtUp = new CompletableFuture<Boolean>();
        channel.execute(() -> caughtUp.complete(true));
        caughtUp.get(10, TimeUnit.SECONDS);
        assertThat(drain(0)).as("one event per fetch").isEmpty();
        assertThat(fetcher.nextDeadlineNs()).isEqualTo(Long.MAX_VALUE);
    }

    @Test
    void shouldBoundTheFetchesUnderWay() throws Exception {
        for (int request = 0; request < 9; request++) {
            fetch("r" + request, ticket("r" + request), 0);
        }
        assertFailed(Kind.OVERLOADED, "8 fetches");
    }

    @Test
    void shouldTellThePrefillNodeOfADecline() throws Exception {
        new PeerNotices(channel, SideChannelDialect.of(config()), counters)
                .decline("r", new HandoffRole.Fetch(ticket("lent")), "");
        assertThat(prefill.done.take()).isEqualTo("lent");
    }

    private static HandoffLimits answering(Duration answerTimeout) {
        return new HandoffLimits(answerTimeout, 2, 100, 16, 64, 8, 4, Duration.ofMillis(300));
    }

    private PullFetcher fetcher(SideChannel channel, HandoffLimits limits) {
        return new PullFetcher(
                config(),
                List.of(pool),
                channel,
                new PeerMetadataCache(channel.client(), limits.peers(), counters),
                new InFlightTransfers(channel, Operation.READ, reader),
                limits,
                new PeerNotices(channel, SideChannelDialect.of(config()), counters),
                wakes::release);
    }

    private void fetch(String requestId, HandoffTicket ticket, int cachedTokens) {
        fetcher.start(ticket, TestConnector.prompt(requestId, 20, cachedTokens, 1, 2), 0);
    }

    private HandoffTicket ticket(String transferId) {
        return ticket(transferId, "life1");
    }

    private HandoffTicket ticket(String transferId, String incarnation) {
        return new HandoffTicket(
                "0",
                HOST,
                prefill.port,
                new long[] {5, 6},
                3,
                Map.of(HandoffTicket.REQUEST_ID, transferId, HandoffTicket.INCARNATION, incarnation));
    }

    /** As a gateway leaves it that drops keys it does not know. */
    private HandoffTicket bareTicket() {
        return new HandoffTicket("0", HOST, prefill.port, new long[] {5, 6}, 3, Map.of());
    }

    private List<HandoffEvent> drain(long nowNs) {
        var events = new ArrayList<HandoffEvent>();
        fetcher.poll(nowNs, events);
        return events;
    }

    private HandoffEvent nextEvent() throws InterruptedException {
        wakes.acquire();
        unread.addAll(drain(0)); // one poll may bring what several wake-ups announced
        return unread.remove();
    }

    private void assertFailed(Kind kind, String message) throws InterruptedException {
        assertThat(nextEvent()).isInstanceOfSatisfying(FetchFailed.class, failed -> {
            assertThat(failed.cause().kind()).isEqualTo(kind);
            assertThat(failed.cause()).hasMessageContaining(message);
        });
    }

    private static HandoffConfig config() {
        return new HandoffConfig(
                "1",
                0,
                HandoffConfig.Role.CONSUMER,
                HandoffConfig.Connector.PULL,
                new Peers.FromTicket(1),
                Duration.ofMinutes(1),
                Duration.ofNanos(TIMEOUT_NS),
                HandoffConfig.FailurePolicy.RECOMPUTE);
    }

    private PeerMetadata metadata(String engineId, long address, String incarnation) {
        return new PeerMetadata(
                engineId,
                15_001,
                List.of(address, address + (1L << 38)),
                1 << 30,
                Optional.of(new PeerMetadata.Details(incarnation, 0, 1, layout)));
    }

    /** Answers metadata and collects done messages. */
    private final class PrefillNode {
        final SideChannel channel = ZmtpSideChannel.start(limits, new Counters<>(HandoffCounter.class));
        final BlockingQueue<String> done = new LinkedBlockingQueue<>();
        volatile PeerMetadata metadata = metadata("0", 1L << 40, "life1");
        final int port = channel.listen(
                HOST,
                0,
                1,
                (taken, rank) -> (from, payload) -> Optional.of(
                        switch (SideChannelCodec.decodeRequest(payload)) {
                            case SideChannelMessage.GetMetadata get ->
                                SideChannelCodec.encodeMetadata(metadata, HOST, taken);
                            case SideChannelMessage.DoneReceiving message -> {
                                done.add(message.requestId());
                                yield SideChannelCodec.acknowledgement();
                            }
                            case SideChannelMessage.DoneSending message -> SideChannelCodec.refusal();
                            case SideChannelMessage.FailedSending message -> SideChannelCodec.refusal();
                        }));
    }

    /** Leaves reads to the test. */
    private static final class ScriptedReader implements InFlightTransfers.Starter {
        final BlockingQueue<Posted> posted = new LinkedBlockingQueue<>();

        @Override
        public Transfer start(String peer, SpanBatch spans, Duration deadline) {
            assertThat(deadline).isPositive();
            var transfer = new Posted(peer, spans);
            posted.add(transfer);
            return transfer;
        }
    }

    private static final class Posted implements Transfer {
        final String peer;
        final SpanBatch spans;
        final CompletableFuture<Moved> done = new CompletableFuture<>();
        final CompletableFuture<Boolean> cancelled = new CompletableFuture<>();

        Posted(String peer, SpanBatch spans) {
            this.peer = peer;
            this.spans = spans;
        }

        void succeed() {
            succeedWith(spans.totalBytes());
        }

        void succeedWith(long bytes) {
            done.complete(new Moved(bytes, 1, true));
        }

        void fail(Kind kind) {
            done.completeExceptionally(new TransferException(kind, "scripted"));
        }

        @Override
        public CompletableFuture<Moved> done() {
            return done;
        }

        @Override
        public void cancel() {
            cancelled.complete(true);
        }
    }
}
