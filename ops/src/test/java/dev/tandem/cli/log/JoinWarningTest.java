package dev.tandem.cli.log;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import ch.qos.logback.classic.Level;
import dev.tandem.counter.Counters;
import dev.tandem.engine.EngineCounter;
import dev.tandem.engine.EngineStatus;
import dev.tandem.engine.Replica;
import dev.tandem.engine.cluster.ClusterCounter;
import dev.tandem.engine.cluster.ClusterHead;
import dev.tandem.engine.cluster.ClusterMember;
import dev.tandem.engine.cluster.JoinTerms;
import dev.tandem.engine.cluster.KvTerms;
import dev.tandem.engine.cluster.MemberPlacement;
import dev.tandem.engine.cluster.ModelTerms;
import dev.tandem.engine.cluster.ParallelLayout;
import dev.tandem.engine.cluster.ReplicaSet;
import dev.tandem.engine.cluster.channel.ChannelLimits;
import dev.tandem.engine.request.Request;
import dev.tandem.engine.request.TokenStream;
import dev.tandem.parallel.Shard;
import dev.tandem.trust.ClusterSecret;
import java.io.IOException;
import java.net.Inet4Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.NetworkInterface;
import java.time.Duration;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What a head says of nodes that join. */
@Timeout(60)
class JoinWarningTest {
    private static final ChannelLimits LIMITS = new ChannelLimits(Duration.ofSeconds(50), 1 << 20, 64, 1 << 20);
    private static final Duration PAUSE = Duration.ofMillis(5);
    private static final ClusterSecret SECRET = ClusterSecret.of("the secret of this year");

    /** A rank that nobody asks anything. */
    private static final class IdleRank implements Replica {
        @Override
        public TokenStream submit(Request request) {
            throw new IllegalStateException("nobody asks");
        }

        @Override
        public void cancelLease(String requestId) {}

        @Override
        public EngineStatus status() {
            var counters = new EnumMap<EngineCounter, Long>(EngineCounter.class);
            for (EngineCounter counter : EngineCounter.values()) {
                counters.put(counter, 0L);
            }
            return new EngineStatus(
                    Optional.empty(), new EngineStatus.Load(0, 0, 0, 0), new EngineStatus.Blocks(1, 1, 0, 0), counters);
        }
    }

    @RegisterExtension
    final LogLines lines = new LogLines(ClusterHead.class.getName(), Level.WARN);

    private static JoinTerms terms(int rank) {
        return new JoinTerms(
                "0.1.0",
                new ModelTerms("LLAMA", "1 layer", "f", new ModelTerms.Numbers("bfloat16", "none"), 64),
                new ParallelLayout(2, false, true, 1),
                new KvTerms(16, List.of("k.0 BF16 1 x 16 of 1 heads")),
                new MemberPlacement(new Shard(rank, rank + 1), "127.0.0.1", 0));
    }

    /** What is said when a node joins a head at an address of this machine. */
    private List<String> warningsOfAJoin(InetAddress address, ClusterSecret secret)
            throws IOException, InterruptedException {
        var counters = new Counters<>(ClusterCounter.class);
        var replicas = new ReplicaSet(2, 1, counters);
        var setup = new ClusterHead.HeadSetup(new InetSocketAddress(address, 0), terms(0), secret, LIMITS);
        try (ClusterHead head = ClusterHead.start(setup, replicas, counters, members -> {})) {
            var joining = new ClusterMember.MemberSetup(
                    new InetSocketAddress(address, head.port()),
                    terms(1),
                    secret,
                    LIMITS,
                    new ClusterMember.Patience(Duration.ofSeconds(50), PAUSE, PAUSE, PAUSE));
            var ranks = new TreeMap<Integer, Replica>(Map.of(1, new IdleRank()));
            try (ClusterMember node = ClusterMember.start(
                    joining,
                    new ClusterMember.Service(
                            ranks, new Counters<>(ClusterCounter.class), members -> {}, report -> {}))) {
                node.awaitJoined();
                return lines.said();
            }
        }
    }

    /** An address of this machine that others may reach, where it has one. */
    private static Optional<InetAddress> outerAddress() throws IOException {
        return NetworkInterface.networkInterfaces()
                .flatMap(NetworkInterface::inetAddresses)
                .filter(address -> address instanceof Inet4Address && !address.isLoopbackAddress())
                .findFirst();
    }

    @Test
    void shouldNameANodeThatJoinsFromOutsideWithoutASecret() throws Exception {
        Optional<InetAddress> outer = outerAddress();
        assumeThat(outer).as("an address beside loopback").isPresent();
        assertThat(warningsOfAJoin(outer.orElseThrow(), ClusterSecret.none()))
                .singleElement()
                .satisfies(
                        line -> assertThat(line)
                                .contains("from " + outer.get().getHostAddress())
                                .contains(
                                        "joined unauthenticated: without a cluster secret any process of the right shapes may"));
    }

    @Test
    void shouldSayNothingOfANodeThatHasProvedItself() throws Exception {
        Optional<InetAddress> outer = outerAddress();
        assumeThat(outer).as("an address beside loopback").isPresent();
        assertThat(warningsOfAJoin(outer.orElseThrow(), SECRET)).isEmpty();
    }

    @Test
    void shouldSayNothingOfANodeOfThisMachine() throws Exception {
        assertThat(warningsOfAJoin(InetAddress.getLoopbackAddress(), ClusterSecret.none()))
                .isEmpty();
    }
}
