package dev.tandem.engine;

import static dev.tandem.engine.EngineFixture.await;
import static dev.tandem.engine.EngineFixture.prompt;
import static dev.tandem.engine.EngineFixture.read;
import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.engine.EngineFixture.Outcome;
import dev.tandem.engine.EngineFixture.Setup;
import dev.tandem.engine.handoff.HandoffEvent.Reason;
import dev.tandem.engine.request.TokenStream;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A thousand operations in random order over too little memory: right tokens, and every block free at the end. */
@Tag("long")
class EngineSoakTest {
    private static final int OPERATIONS = 1_000;
    private static final int MOST_OPEN = 12;

    private record Open(TokenStream stream, int[] prompt, int maxTokens, boolean isLender) {}

    private final ArrayDeque<Open> open = new ArrayDeque<>();
    private final Set<TokenStream> closed = new HashSet<>();
    private int checkedTokens;

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3})
    void shouldKeepTokensAndBlocksRight(long seed) throws InterruptedException {
        var random = new SplittableRandom(seed);
        try (var fixture = new EngineFixture(
                Setup.usual().withBlocks(48).withBatchedTokens(24).withSequences(6))) {
            for (int i = 0; i < OPERATIONS; i++) {
                act(fixture, random, "r" + i);
                while (open.size() > MOST_OPEN) {
                    settle(fixture, open.remove());
                }
            }
            while (!open.isEmpty()) {
                settle(fixture, open.remove());
            }
            fixture.handoff.leases().keySet().forEach(id -> fixture.handoff.endLease(id, Reason.EXPIRED));
            endFetches(fixture, random);
            fixture.awaitAllFree();
            assertThat(checkedTokens).isGreaterThan(2_000);
            assertThat(fixture.count(EngineCounter.PREEMPTIONS)).isPositive();
            assertThat(fixture.count(EngineCounter.PREFIX_CACHE_HITS)).isPositive();
            assertThat(fixture.count(EngineCounter.HANDOFF_RECOMPUTED)).isPositive();
        }
    }

    private void act(EngineFixture fixture, SplittableRandom random, String id) throws InterruptedException {
        int[] prompt = prompt(1 + random.nextInt(90), random.nextInt(6)); // few seeds, so prefixes meet again
        int maxTokens = 1 + random.nextInt(60);
        switch (random.nextInt(10)) {
            case 0, 1, 2, 3 -> open.add(new Open(fixture.submit(id, prompt, maxTokens), prompt, maxTokens, false));
            case 4 -> open.add(new Open(fixture.lend(id, prompt), prompt, 1, true));
            case 5, 6 -> open.add(new Open(fixture.fetch(id, prompt, maxTokens), prompt, maxTokens, false));
            case 7 -> endFetches(fixture, random);
            case 8 -> closeOne(random);
            default ->
                List.copyOf(fixture.handoff.leases().keySet())
                        .forEach(lease -> fixture.handoff.endLease(lease, Reason.RELEASED));
        }
    }

    private void closeOne(SplittableRandom random) {
        if (!open.isEmpty()) {
            TokenStream stream = new ArrayList<>(open).get(random.nextInt(open.size())).stream();
            closed.add(stream);
            stream.close();
        }
    }

    private static void endFetches(EngineFixture fixture, SplittableRandom random) {
        for (String id : List.copyOf(fixture.handoff.fetches().keySet())) {
            if (random.nextInt(4) == 0) {
                fixture.handoff.breakOff(id);
            } else {
                fixture.handoff.arrive(id);
            }
        }
    }

    /** Reads a stream to its end, while leases and fetches go on ending so that nobody waits for ever. */
    private void settle(EngineFixture fixture, Open one) throws InterruptedException {
        var helper = new SplittableRandom(one.maxTokens());
        var reader = new ArrayList<Outcome>();
        Thread thread = Thread.ofVirtual().start(() -> {
            try {
                reader.add(read(one.stream()));
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
        await(() -> {
            endFetches(fixture, helper);
            List.copyOf(fixture.handoff.leases().keySet())
                    .forEach(lease -> fixture.handoff.endLease(lease, Reason.RELEASED));
            return !thread.isAlive();
        });
        thread.join();
        check(one, reader.getFirst());
    }

    private void check(Open one, Outcome outcome) {
        List<Integer> expected = FakeModel.greedy(one.prompt(), one.maxTokens());
        if (closed.contains(one.stream())) { // unread tokens are gone, whether the end had come or not
            assertThat(outcome.tokens())
                    .isEqualTo(expected.subList(0, outcome.tokens().size()));
        } else {
            assertThat(outcome.tokens()).isEqualTo(expected);
            assertThat(outcome.finished().ticket().isPresent()).isEqualTo(one.isLender());
        }
        checkedTokens += outcome.tokens().size();
    }
}
