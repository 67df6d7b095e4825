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
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.slf4j.LoggerFactory;

/** Real engine loops and connectors under virtual time and faults; and that wrong parts in their place are found out. */
class EngineSimulationTest {
    private static final int SEEDS = 200;
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
        assertThat(firstFailure(AS_IT_IS, 1, SEEDS)).isEmpty();
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
    private static Optional<String> firstFailure(Plan plan, long first, int seeds) {
        for (long seed = first; seed < first + seeds; seed++) {
            try (var simulation = new EngineSimulation(seed, plan, SimulatedNetwork.NO_TRACE)) {
                simulation.run();
            } catch (RuntimeException e) {
                return Optional.of(e + "; seed " + seed + ", replay: bench/simulate.sh trace " + seed);
            }
        }
        return Optional.empty();
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

    /** Always the same connector, and transfers that are wrong in some way. */
    private abstract static class Wrong implements Plan {
        private final Connector connector;

        Wrong(Connector connector) {
            this.connector = connector;
        }

        @Override
        public Connector connector(SplittableRandom random) {
            return connector;
        }
    }

    @Test
    void shouldFindThatBlocksAreGivenBackWhileAPeerReadsThem() {
        assertThat(firstFailure(
                        new Wrong(Connector.PULL) {
                            @Override
                            public SimulatedTransfers transfers(SimulatedHost host) {
                                return new SimulatedTransfers(host) {
                                    @Override
                                    Access open(long address, long bytes, Operation operation, String party) {
                                        return Kept.of(super.open(address, bytes, operation, party));
                                    }

                                    @Override
                                    boolean isIntact(int sum, int told) {
                                        return true;
                                    }
                                };
                            }
                        },
                        1,
                        SEEDS))
                .hasValueSatisfying(found -> assertThat(found).contains("got token"));
    }

    @Test
    void shouldFindThatBlocksAreGivenBackWhileAPeerWritesThem() {
        assertThat(firstFailure(
                        new Wrong(Connector.LAYERWISE) {
                            @Override
                            public SimulatedTransfers transfers(SimulatedHost host) {
                                return new SimulatedTransfers(host) {
                                    @Override
                                    Access open(long address, long bytes, Operation operation, String party) {
                                        return Kept.of(super.open(address, bytes, operation, party));
                                    }
                                };
                            }
                        },
                        1,
                        SEEDS))
                .hasValueSatisfying(found -> assertThat(found).contains("got token"));
    }

    @Test
    void shouldFindThatAReadIsDoneBeforeAllOfItIsHere() {
        assertThat(firstFailure(
                        new Wrong(Connector.PULL) {
                            @Override
                            public SimulatedTransfers transfers(SimulatedHost host) {
                                return new SimulatedTransfers(host) {
                                    private int pieces;

                                    @Override
                                    void store(SpanBatch spans, long localOffset, byte[] bytes, boolean isOver) {
                                        if (++pieces % 50 != 0) {
                                            super.store(spans, localOffset, bytes, isOver);
                                        }
                                    }
                                };
                            }
                        },
                        1,
                        SEEDS))
                .hasValueSatisfying(found -> assertThat(found).contains("got token"));
    }

    @Test
    void shouldFindThatAReadGoesOnAfterItsEnd() {
        assertThat(firstFailure(
                        new Wrong(Connector.PULL) {
                            @Override
                            public SimulatedTransfers transfers(SimulatedHost host) {
                                return new SimulatedTransfers(host) {
                                    @Override
                                    void store(SpanBatch spans, long localOffset, byte[] bytes, boolean isOver) {
                                        super.store(spans, localOffset, bytes, false);
                                    }
                                };
                            }
                        },
                        1,
                        SEEDS))
                .hasValueSatisfying(found -> assertThat(found).contains("got token"));
    }

    @Test
    void shouldFindThatALostDoneMessageKeepsBlocksForEver() {
        assertThat(firstFailure(
                        new Wrong(Connector.PULL) {
                            @Override
                            public HandoffConfig handoff(HandoffConfig drawn) {
                                return new HandoffConfig(
                                        drawn.engineId(),
                                        drawn.sideChannelPort(),
                                        drawn.role(),
                                        drawn.connector(),
                                        drawn.peers(),
                                        Duration.ofDays(1000),
                                        drawn.fetchTimeout(),
                                        drawn.failurePolicy());
                            }
                        },
                        1,
                        SEEDS))
                .hasValueSatisfying(found -> assertThat(found).contains("blocks are held"));
    }
}
