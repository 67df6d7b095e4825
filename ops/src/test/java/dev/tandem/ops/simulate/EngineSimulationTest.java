package dev.tandem.ops.simulate;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import dev.tandem.engine.handoff.HandoffConfig;
import dev.tandem.engine.handoff.HandoffConfig.Connector;
import dev.tandem.ops.simulate.EngineSimulation.Plan;
import dev.tandem.transfer.Region.Access;
import dev.tandem.transfer.Region.Operation;
import dev.tandem.transfer.SpanBatch;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.Function;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.slf4j.LoggerFactory;

/** Real engine loops and connectors under virtual time and faults; and that wrong parts in their place are found out. */
class EngineSimulationTest {
    private static final int SEEDS = 60;
    private static final int MOST_SEEDS_TO_FIND = 200;
    private static final double MANY = 0.03; // of the await points
    private static final Plan AS_IT_IS = new Plan() {};
    private static final Logger LOG = (Logger) LoggerFactory.getLogger("dev.tandem.engine");

    @BeforeAll
    static void beQuiet() {
        LOG.setLevel(Level.OFF); // faults are warned of, thousands of times
    }

    @AfterAll
    static void speakAgain() {
        LOG.setLevel(null);
    }

    @Test
    void shouldKeepItsPromisesUnderTheFaultsOfManySeeds() {
        assertThat(firstFailure(AS_IT_IS, SEEDS)).isEmpty();
    }

    @Test
    void shouldRunASeedTheSameWayAgain() {
        assertThat(story(3)).hasSizeGreaterThan(100).isEqualTo(story(3));
    }

    private static List<String> story(long seed) {
        var lines = new ArrayList<String>();
        try (var simulation = new EngineSimulation(seed, AS_IT_IS, lines::add)) {
            simulation.run();
            lines.add("fingerprint " + simulation.faults().fingerprint());
        }
        return lines;
    }

    /** What is wrong with the first seed that fails, and how to see it happen. */
    private static Optional<String> firstFailure(Plan plan, int seeds) {
        for (long seed = 1; seed <= seeds; seed++) {
            try (var simulation = new EngineSimulation(seed, plan, SimulatedNetwork.NO_TRACE)) {
                simulation.run();
            } catch (RuntimeException e) {
                return Optional.of(e + "; seed " + seed + ", replay: bench/simulate.sh engines trace " + seed);
            }
        }
        return Optional.empty();
    }

    private static void assertFound(Plan wrong, String what) {
        assertThat(firstFailure(wrong, MOST_SEEDS_TO_FIND))
                .hasValueSatisfying(found -> assertThat(found).contains(what));
    }

    /** Transfers that are wrong in some way, so that sequences get wrong tokens where bytes are late. */
    private static void assertFound(Connector connector, Function<SimulatedHost, SimulatedTransfers> wrong) {
        Plan plan = new Plan() {
            @Override
            public Connector connector(SplittableRandom random) {
                return connector;
            }

            @Override
            public Faults faults(SplittableRandom random, long untilNs) {
                return new Faults(random, MANY, Set.of(Faults.Kind.DELAY), untilNs);
            }

            @Override
            public SimulatedTransfers transfers(SimulatedHost host) {
                return wrong.apply(host);
            }
        };
        assertFound(plan, "got token");
    }

    /** What lies behind an access stays in reach although the access is closed. */
    private record Kept(List<MemorySegment> segments) implements Access {
        static Kept of(Access access) {
            var segments = new ArrayList<MemorySegment>();
            for (int piece = 0; piece < access.pieces(); piece++) {
                segments.add(access.piece(piece));
            }
            access.close();
            return new Kept(segments);
        }

        @Override
        public int pieces() {
            return segments.size();
        }

        @Override
        public MemorySegment piece(int index) {
            return segments.get(index);
        }

        @Override
        public void close() {}
    }

    @Test
    void shouldFindThatBlocksAreGivenBackWhileAPeerReadsThem() {
        assertFound(Connector.PULL, host -> new SimulatedTransfers(host) {
            @Override
            protected Access open(long address, long bytes, Operation operation, String party) {
                return Kept.of(super.open(address, bytes, operation, party));
            }

            @Override
            protected boolean isIntact(int sum, int told) {
                return true;
            }
        });
    }

    @Test
    void shouldFindThatBlocksAreGivenBackWhileAPeerWritesThem() {
        assertFound(Connector.LAYERWISE, host -> new SimulatedTransfers(host) {
            @Override
            protected Access open(long address, long bytes, Operation operation, String party) {
                return Kept.of(super.open(address, bytes, operation, party));
            }
        });
    }

    @Test
    void shouldFindThatAReadIsDoneBeforeAllOfItIsHere() {
        assertFound(Connector.PULL, host -> new SimulatedTransfers(host) {
            private int pieces;

            @Override
            protected void store(SpanBatch spans, long localOffset, byte[] bytes, boolean isOver) {
                if (++pieces % 50 != 0) {
                    super.store(spans, localOffset, bytes, isOver);
                }
            }
        });
    }

    @Test
    void shouldFindThatAReadGoesOnAfterItsEnd() {
        assertFound(Connector.PULL, host -> new SimulatedTransfers(host) {
            @Override
            protected void store(SpanBatch spans, long localOffset, byte[] bytes, boolean isOver) {
                super.store(spans, localOffset, bytes, false);
            }
        });
    }

    @Test
    void shouldFindThatALostDoneMessageKeepsBlocksForEver() {
        Plan endlessLeases = new Plan() {
            @Override
            public HandoffConfig handoff(HandoffConfig drawn) {
                return EngineDeployment.withLease(drawn, Duration.ofDays(1000));
            }
        };
        assertFound(endlessLeases, "blocks are held");
    }
}
