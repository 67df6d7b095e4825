package dev.tandem.ops.simulate.gateway;

import static dev.tandem.ops.simulate.gateway.PlantedFaults.noticed;
import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import dev.tandem.engine.handoff.HandoffConfig;
import dev.tandem.gateway.fleet.HandoffKind;
import dev.tandem.ops.simulate.EngineDeployment;
import dev.tandem.ops.simulate.SimulatedHost;
import dev.tandem.ops.simulate.SimulatedTransfers;
import dev.tandem.ops.simulate.gateway.GatewaySimulation.Nodes;
import dev.tandem.ops.simulate.gateway.GatewaySimulation.Options;
import dev.tandem.ops.simulate.gateway.GatewaySimulation.Result;
import dev.tandem.ops.simulate.gateway.GatewaySimulation.Tampering;
import dev.tandem.transfer.SpanBatch;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.slf4j.LoggerFactory;

/** The gateway before real engines under seeds, and whether the simulation would notice what either does wrong. */
class WholeSimulationTest {
    private static final int SEEDS = 200;
    private static final int CALM_SEEDS = 5; // of each order
    private static final Logger TANDEM = (Logger) LoggerFactory.getLogger("dev.tandem");

    @BeforeAll
    static void beQuiet() {
        TANDEM.setLevel(Level.OFF); // faults are warned of, thousands of times
    }

    @AfterAll
    static void speakAgain() {
        TANDEM.setLevel(null);
    }

    @Test
    void shouldKeepItsPromisesUnderFaults() {
        for (long seed = 1; seed <= SEEDS; seed++) {
            Result result = GatewaySimulation.run(seed, Options.whole(seed));
            assertThat(result.violations())
                    .as("bench/simulate.sh whole trace " + seed)
                    .isEmpty();
        }
    }

    @ParameterizedTest
    @EnumSource(HandoffKind.class)
    void shouldAnswerEverythingWithoutFaults(HandoffKind kind) {
        for (long seed = 1; seed <= CALM_SEEDS; seed++) {
            Result result =
                    GatewaySimulation.run(seed, Options.of(kind, Nodes.ENGINES).withoutFaults());
            assertThat(result.violations()).as("seed " + seed).isEmpty();
            assertThat(result.outcomes()).containsOnlyKeys("ANSWERED");
            assertThat(result.counters()).containsEntry("LEASES_EXPIRED", 0L);
        }
    }

    @ParameterizedTest
    @EnumSource(HandoffKind.class)
    void shouldReplayASeedEventByEvent(HandoffKind kind) {
        List<String> once = new ArrayList<>();
        List<String> again = new ArrayList<>();
        GatewaySimulation.run(7, Options.of(kind, Nodes.ENGINES).tracedBy(once::add));
        GatewaySimulation.run(7, Options.of(kind, Nodes.ENGINES).tracedBy(again::add));
        assertThat(again).hasSizeGreaterThan(50).isEqualTo(once);
    }

    private static String noticedOf(Tampering gateway) {
        return noticed(seed -> Options.whole(seed).with(gateway));
    }

    private static String noticedOf(EngineDeployment.Tampering engines) {
        return noticed(seed -> Options.whole(seed).with(engines));
    }

    @Test
    void shouldNoticeAnAnswerThatNobodyHears() {
        assertThat(noticedOf(PlantedFaults.unheardEnds())).containsAnyOf("has no answer", "is not served");
    }

    @Test
    void shouldNoticeACallThatIsNotCalledOff() {
        assertThat(noticedOf(PlantedFaults.callsNotCalledOff())).isNotEmpty();
    }

    @Test
    void shouldNoticeALoadThatIsNotSettled() {
        assertThat(noticedOf(PlantedFaults.loadNotSettled())).contains("load without requests on decode");
    }

    @Test
    void shouldNoticeThatNobodyReadsWhatADecodeNodeHadToCompute() {
        assertThat(noticedOf(PlantedFaults.trailersNotRead()))
                .containsAnyOf("it says 'true', but the nodes", "are counted as disaggregated");
    }

    @Test
    void shouldNoticeAReadThatIsDoneBeforeAllOfItIsHere() {
        String said = noticedOf(new EngineDeployment.Tampering() {
            @Override
            public SimulatedTransfers transfers(SimulatedHost host) {
                return new SimulatedTransfers(host) {
                    private int pieces;

                    @Override
                    protected void store(SpanBatch spans, long localOffset, byte[] bytes, boolean isOver) {
                        if (++pieces % 5 != 0) {
                            super.store(spans, localOffset, bytes, isOver);
                        }
                    }
                };
            }
        });
        assertThat(said).contains("got token");
    }

    @Test
    void shouldNoticeLeasesThatNeverEnd() {
        String said = noticedOf(new EngineDeployment.Tampering() {
            @Override
            public HandoffConfig handoff(HandoffConfig drawn) {
                return EngineDeployment.withLease(drawn, Duration.ofDays(1000));
            }
        });
        assertThat(said).contains("blocks are held");
    }
}
