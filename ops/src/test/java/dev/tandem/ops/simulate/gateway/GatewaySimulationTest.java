package dev.tandem.ops.simulate.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import dev.tandem.api.ApiException;
import dev.tandem.api.client.HttpCall;
import dev.tandem.api.client.ReplyHead;
import dev.tandem.api.client.ReplyListener;
import dev.tandem.api.client.Upstream;
import dev.tandem.gateway.fleet.HandoffKind;
import dev.tandem.gateway.fleet.NodeRole;
import dev.tandem.ops.simulate.gateway.GatewaySimulation.Options;
import dev.tandem.ops.simulate.gateway.GatewaySimulation.Result;
import dev.tandem.ops.simulate.gateway.GatewaySimulation.Tampering;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.BiFunction;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.slf4j.LoggerFactory;

/** The gateway under seeds, and whether the simulation would notice a gateway that does something wrong. */
class GatewaySimulationTest {
    private static final int SEEDS = 100; // of each order
    private static final int CALM_SEEDS = 5;
    private static final int MOST_SEEDS_TO_NOTICE = 200;
    private static final Logger GATEWAY = (Logger) LoggerFactory.getLogger("dev.tandem.gateway");

    private static Level before;

    @BeforeAll
    static void beQuiet() {
        before = GATEWAY.getLevel();
        GATEWAY.setLevel(Level.OFF); // what goes wrong here is meant to
    }

    @AfterAll
    static void speakAgain() {
        GATEWAY.setLevel(before);
    }

    private static String replay(HandoffKind kind, Result result) {
        return "java @jvm.options -cp \"bench/target/classes:ops/target/tandem/lib/*\" dev.tandem.bench.GatewaySeeds kind="
                + kind.word() + " seed=" + result.seed() + " replays";
    }

    @ParameterizedTest
    @EnumSource(HandoffKind.class)
    void shouldKeepItsPromisesUnderFaults(HandoffKind kind) {
        for (long seed = 0; seed < SEEDS; seed++) {
            Result result = GatewaySimulation.run(seed, Options.of(kind, true));
            assertThat(result.violations()).as(replay(kind, result)).isEmpty();
        }
    }

    @ParameterizedTest
    @EnumSource(HandoffKind.class)
    void shouldAnswerEverythingWithoutFaults(HandoffKind kind) {
        for (long seed = 0; seed < CALM_SEEDS; seed++) {
            Result result = GatewaySimulation.run(seed, Options.of(kind, false));
            assertThat(result.violations()).as(replay(kind, result)).isEmpty();
            assertThat(result.outcomes()).containsOnlyKeys("ANSWERED");
        }
    }

    @ParameterizedTest
    @EnumSource(HandoffKind.class)
    void shouldReplayASeedEventByEvent(HandoffKind kind) {
        List<String> once = new ArrayList<>();
        List<String> again = new ArrayList<>();
        GatewaySimulation.run(7, new Options(kind, true, (calls, fleet) -> calls, once::add));
        GatewaySimulation.run(7, new Options(kind, true, (calls, fleet) -> calls, again::add));
        assertThat(again).hasSizeGreaterThan(50).isEqualTo(once);
    }

    /** What the first seed that notices says. */
    private static String noticed(HandoffKind kind, Tampering tampering) {
        for (long seed = 0; seed < MOST_SEEDS_TO_NOTICE; seed++) {
            List<String> violations = GatewaySimulation.run(seed, new Options(kind, true, tampering, line -> {}))
                    .violations();
            if (!violations.isEmpty()) {
                return String.join("\n", violations);
            }
        }
        throw new AssertionError("no seed of " + MOST_SEEDS_TO_NOTICE + " notices");
    }

    /** Lets a listener of the gateway's calls for completions hear something else than what comes. */
    private static Tampering hearing(BiFunction<HttpCall, ReplyListener, ReplyListener> other) {
        return (calls, fleet) -> (call, listener) ->
                calls.startOnLoop(call, call.path().equals("/v1/completions") ? other.apply(call, listener) : listener);
    }

    @ParameterizedTest
    @EnumSource(HandoffKind.class)
    void shouldNoticeAnAnswerThatNobodyHears(HandoffKind kind) {
        int[] ends = {0};
        String said = noticed(kind, hearing((call, listener) -> new Hearing(listener) {
            @Override
            public void end() {
                if (ends[0]++ % 10 != 9) {
                    super.end();
                }
            }
        }));
        assertThat(said).contains("has no answer");
    }

    @ParameterizedTest
    @EnumSource(HandoffKind.class)
    void shouldNoticeAPieceThatComesTwice(HandoffKind kind) {
        String said = noticed(kind, hearing((call, listener) -> new Hearing(listener) {
            @Override
            public void chunk(byte[] bytes) {
                super.chunk(bytes);
                if (new String(bytes, StandardCharsets.UTF_8).startsWith("data: {")
                        && bytes[bytes.length - 1] == '\n') {
                    super.chunk(bytes);
                }
            }
        }));
        assertThat(said).containsPattern("choice \\d+ (is|began as)");
    }

    @Test
    void shouldNoticeAnAnswerThatIsTakenForCompleteWhenItBreaksOff() {
        String said = noticed(HandoffKind.PULL, hearing((call, listener) -> new Hearing(listener) {
            private boolean hasHead;

            @Override
            public void head(ReplyHead head) {
                hasHead = true;
                super.head(head);
            }

            @Override
            public void failed(ApiException failure) {
                if (hasHead) {
                    super.chunk("data: [DONE]\n\n".getBytes(StandardCharsets.UTF_8));
                    super.end();
                } else {
                    super.failed(failure);
                }
            }
        }));
        assertThat(said).containsAnyOf("choice", "not JSON");
    }

    @Test
    void shouldNoticeTheAnswerOfAnother() {
        List<byte[]> last = new ArrayList<>(List.of(new byte[0]));
        String said = noticed(HandoffKind.PULL, hearing((call, listener) -> new Hearing(listener) {
            @Override
            public void chunk(byte[] bytes) {
                byte[] mine = bytes;
                super.chunk(last.getFirst().length == mine.length ? last.getFirst() : mine);
                last.set(0, mine);
            }
        }));
        assertThat(said).contains("choice");
    }

    @ParameterizedTest
    @EnumSource(HandoffKind.class)
    void shouldNoticeACallThatIsNotCalledOff(HandoffKind kind) {
        String said = noticed(
                kind,
                (calls, fleet) -> (call, listener) -> new Upstream() {
                    private final Upstream real = calls.startOnLoop(call, listener);

                    @Override
                    public void cancel() {
                        if (!call.path().equals("/v1/completions")) {
                            real.cancel();
                        }
                    }

                    @Override
                    public void pause() {
                        real.pause();
                    }

                    @Override
                    public void resume() {
                        real.resume();
                    }

                    @Override
                    public boolean isOver() {
                        return real.isOver();
                    }

                    @Override
                    public Optional<String> trailer(String name) {
                        return real.trailer(name);
                    }
                });
        assertThat(said).isNotEmpty();
    }

    @Test
    void shouldNoticeALoadThatIsNotSettled() {
        int[] calls = {0};
        String said = noticed(HandoffKind.PULL, (http, fleet) -> (call, listener) -> {
            if (calls[0]++ == 5) {
                fleet.nodes(NodeRole.DECODE).getFirst().reserve(1, 0);
            }
            return http.startOnLoop(call, listener);
        });
        assertThat(said).contains("load without requests on decode");
    }

    @Test
    void shouldNoticeALeaseThatIsNotCancelled() {
        String said = noticed(HandoffKind.PULL, (http, fleet) -> (call, listener) -> {
            Upstream upstream = http.startOnLoop(call, listener);
            if (call.path().equals("/v1/handoff/cancel")) {
                upstream.cancel();
            }
            return upstream;
        });
        assertThat(said).contains("leases that nobody freed");
    }

    /** Hears what a listener hears, and tells it. */
    private static class Hearing implements ReplyListener {
        private final ReplyListener listener;

        Hearing(ReplyListener listener) {
            this.listener = listener;
        }

        @Override
        public void head(ReplyHead head) {
            listener.head(head);
        }

        @Override
        public void chunk(byte[] bytes) {
            listener.chunk(bytes);
        }

        @Override
        public void end() {
            listener.end();
        }

        @Override
        public void failed(ApiException failure) {
            listener.failed(failure);
        }
    }
}
