package dev.tandem.ops.simulate;

import dev.tandem.engine.EngineConfig;
import dev.tandem.engine.handoff.HandoffConfig;
import dev.tandem.engine.handoff.HandoffConfig.Connector;
import dev.tandem.engine.handoff.HandoffConfig.FailurePolicy;
import dev.tandem.engine.handoff.HandoffConfig.Role;
import dev.tandem.engine.handoff.Peers;
import dev.tandem.engine.schedule.BatchLimits;
import java.time.Duration;
import java.util.Optional;
import java.util.SplittableRandom;

/**
 * What a seed makes up for engines: what all have in common, what each is started with, and what they are asked.
 *
 * @param connector of all
 * @param policy of all
 * @param prefillRanks tensor ranks of each prefill node
 * @param decodeRanks of each decode node
 * @param tampering what is put in the place of what was drawn
 */
public record EngineDeployment(
        Connector connector, FailurePolicy policy, int prefillRanks, int decodeRanks, Tampering tampering) {
    /** What tests put in the place of simulated parts of engines, to see that it is found. */
    public interface Tampering {
        /** Nothing is wrong. */
        Tampering NONE = new Tampering() {};

        /** What moves bytes on a host. */
        default SimulatedTransfers transfers(SimulatedHost host) {
            return new SimulatedTransfers(host);
        }

        /** How an engine hands off, instead of as it was drawn. */
        default HandoffConfig handoff(HandoffConfig drawn) {
            return drawn;
        }
    }

    private static final int SIDE_CHANNEL_PORT = 5500;
    private static final int LONGEST = 64; // tokens of a sequence
    private static final int BLOCK_SIZE = 4;
    private static final int MOST_SHARED = 20; // tokens that prompts begin with alike
    private static final int MOST_OWN = 28; // tokens behind them
    private static final int FAMILIES = 3; // ways in which prompts begin

    /** What all engines have in common, for a connector. */
    public static EngineDeployment draw(SplittableRandom random, Connector connector, Tampering tampering) {
        FailurePolicy policy = random.nextBoolean() ? FailurePolicy.RECOMPUTE : FailurePolicy.FAIL;
        return new EngineDeployment(connector, policy, random.nextInt(1, 3), random.nextInt(1, 3), tampering);
    }

    /** What one engine is started with: little room, slow steps and short leases as often as much, fast and long. */
    public SimulatedNode.Setup setup(SplittableRandom random, Role role, String address) {
        boolean isChunked = random.nextBoolean();
        var limits = new BatchLimits(
                isChunked ? random.nextInt(8, LONGEST) : LONGEST,
                random.nextInt(1, 7),
                random.nextInt(3, 17),
                isChunked);
        Duration lease = Duration.ofMillis(logUniform(random, 300, 20_000));
        Duration fetch = Duration.ofMillis(logUniform(random, 500, 20_000));
        boolean caches = random.nextBoolean();
        int blocks = LONGEST / BLOCK_SIZE + random.nextInt(12);
        double ms = logUniform(random, 200_000, 20_000_000);
        var costs = new StepCosts(2 * ms, ms / 5, ms / 1000, 2 * ms, ms / 10, ms / 100);
        return setup(role, address, limits, new Times(lease, fetch), caches, blocks, costs);
    }

    /** The same where nothing is scarce, so that whatever is asked for is answered. */
    public SimulatedNode.Setup roomySetup(SplittableRandom random, Role role, String address) {
        boolean isChunked = random.nextBoolean();
        var limits = new BatchLimits(isChunked ? random.nextInt(16, LONGEST) : LONGEST, 16, 1000, isChunked);
        double ms = logUniform(random, 200_000, 1_000_000);
        var costs = new StepCosts(2 * ms, ms / 5, ms / 1000, 2 * ms, ms / 10, ms / 100);
        var times = new Times(Duration.ofMinutes(1), Duration.ofMinutes(1));
        return setup(role, address, limits, times, random.nextBoolean(), 16 * LONGEST / BLOCK_SIZE, costs);
    }

    private record Times(Duration lease, Duration fetch) {}

    private SimulatedNode.Setup setup(
            Role role,
            String address,
            BatchLimits limits,
            Times times,
            boolean cachesPrefixes,
            int blocks,
            StepCosts costs) {
        boolean isPrefill = role == Role.PRODUCER;
        var handoff = new HandoffConfig(
                "engine-" + address,
                SIDE_CHANNEL_PORT,
                role,
                connector,
                new Peers.FromTicket(isPrefill ? decodeRanks : prefillRanks),
                times.lease(),
                times.fetch(),
                policy);
        return new SimulatedNode.Setup(
                new EngineConfig(LONGEST, limits, cachesPrefixes, 1, Optional.of(tampering.handoff(handoff))),
                isPrefill ? prefillRanks : decodeRanks,
                blocks,
                BLOCK_SIZE,
                costs);
    }

    /** The same with leases of another time. */
    public static HandoffConfig withLease(HandoffConfig drawn, Duration lease) {
        return new HandoffConfig(
                drawn.engineId(),
                drawn.sideChannelPort(),
                drawn.role(),
                drawn.connector(),
                drawn.peers(),
                lease,
                drawn.fetchTimeout(),
                drawn.failurePolicy());
    }

    /** A prompt; some begin alike, so that caches find something. */
    public static int[] prompt(SplittableRandom random) {
        var family = new SplittableRandom(random.nextInt(FAMILIES));
        int shared = random.nextInt(MOST_SHARED);
        var ids = new int[shared + random.nextInt(1, MOST_OWN)];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = (i < shared ? family : random).nextInt(SimulatedModel.END_TOKEN);
        }
        if (random.nextInt(4) == 0) {
            ids[0] = random.nextInt(SimulatedModel.END_TOKEN); // what follows is alike, and its KV is not
        }
        return ids;
    }

    /** Small values as often as large ones. */
    public static long logUniform(SplittableRandom random, long least, long most) {
        return (long) (least * Math.pow((double) most / least, random.nextDouble()));
    }
}
