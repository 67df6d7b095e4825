package dev.tandem.ops.simulate.gateway;

import static dev.tandem.ops.simulate.gateway.PlantedFaults.hearing;
import static dev.tandem.ops.simulate.gateway.PlantedFaults.noticed;
import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import dev.tandem.api.ApiException;
import dev.tandem.api.client.ReplyHead;
import dev.tandem.gateway.fleet.HandoffKind;
import dev.tandem.ops.simulate.gateway.GatewaySimulation.Nodes;
import dev.tandem.ops.simulate.gateway.GatewaySimulation.Options;
import dev.tandem.ops.simulate.gateway.GatewaySimulation.Result;
import dev.tandem.ops.simulate.gateway.GatewaySimulation.Tampering;
import dev.tandem.ops.simulate.gateway.PlantedFaults.Hearing;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.slf4j.LoggerFactory;

/** The gateway before models of nodes under seeds, and whether the simulation would notice a gateway that does something wrong. */
class GatewaySimulationTest {
    private static final int SEEDS = 40; // of each order
    private static final int CALM_SEEDS = 5;
    private static final Logger GATEWAY = (Logger) LoggerFactory.getLogger("dev.tandem.gateway");

    @BeforeAll
    static void beQuiet() {
        GATEWAY.setLevel(Level.OFF); // what goes wrong here is meant to
    }

    @AfterAll
    static void speakAgain() {
        GATEWAY.setLevel(null);
    }

    private static Options models(HandoffKind kind) {
        return Options.of(kind, Nodes.MODELS);
    }

    private static String replay(HandoffKind kind, Result result) {
        return "bench/simulate.sh " + kind.word() + " trace " + result.seed();
    }

    @ParameterizedTest
    @EnumSource(HandoffKind.class)
    void shouldKeepItsPromisesUnderFaults(HandoffKind kind) {
        for (long seed = 1; seed <= SEEDS; seed++) {
            Result result = GatewaySimulation.run(seed, models(kind));
            assertThat(result.violations()).as(replay(kind, result)).isEmpty();
        }
    }

    @ParameterizedTest
    @EnumSource(HandoffKind.class)
    void shouldAnswerEverythingWithoutFaults(HandoffKind kind) {
        for (long seed = 1; seed <= CALM_SEEDS; seed++) {
            Result result = GatewaySimulation.run(seed, models(kind).withoutFaults());
            assertThat(result.violations()).as("seed " + seed).isEmpty();
            assertThat(result.outcomes()).containsOnlyKeys("ANSWERED");
        }
    }

    @ParameterizedTest
    @EnumSource(HandoffKind.class)
    void shouldReplayASeedEventByEvent(HandoffKind kind) {
        List<String> once = new ArrayList<>();
        List<String> again = new ArrayList<>();
        GatewaySimulation.run(7, models(kind).tracedBy(once::add));
        GatewaySimulation.run(7, models(kind).tracedBy(again::add));
        assertThat(again).hasSizeGreaterThan(50).isEqualTo(once);
    }

    private static String noticedOf(HandoffKind kind, Tampering tampering) {
        return noticed(seed -> models(kind).with(tampering));
    }

    @ParameterizedTest
    @EnumSource(HandoffKind.class)
    void shouldNoticeAnAnswerThatNobodyHears(HandoffKind kind) {
        assertThat(noticedOf(kind, PlantedFaults.unheardEnds())).contains("has no answer");
    }

    @ParameterizedTest
    @EnumSource(HandoffKind.class)
    void shouldNoticeAPieceThatComesTwice(HandoffKind kind) {
        String said = noticedOf(kind, hearing((call, listener) -> new Hearing(listener) {
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
        String said = noticedOf(HandoffKind.PULL, hearing((call, listener) -> new Hearing(listener) {
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
        String said = noticedOf(HandoffKind.PULL, hearing((call, listener) -> new Hearing(listener) {
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
        assertThat(noticedOf(kind, PlantedFaults.callsNotCalledOff())).isNotEmpty();
    }

    @Test
    void shouldNoticeALoadThatIsNotSettled() {
        assertThat(noticedOf(HandoffKind.PULL, PlantedFaults.loadNotSettled()))
                .contains("load without requests on decode");
    }

    @Test
    void shouldNoticeALeaseThatIsNotCancelled() {
        assertThat(noticedOf(HandoffKind.PULL, PlantedFaults.cancelsNotSent())).contains("leases that nobody freed");
    }
}
