package dev.tandem.ops.simulate.gateway;

import dev.tandem.api.client.HttpClientConfig;
import dev.tandem.gateway.protocol.ExchangeSettings;
import dev.tandem.gateway.protocol.LocalPrefillPolicy;
import dev.tandem.ops.simulate.EngineDeployment;
import dev.tandem.ops.simulate.SimulatedNetwork.Link;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/**
 * What a seed makes up before anything happens: nodes, settings, clients. Times are in nanoseconds from the beginning.
 *
 * @param pauses when the gateway's process stands still
 * @param isMortal whether the gateway's host hangs and crashes as those of nodes do
 * @param drainNs when the gateway is told to stop; {@link Long#MAX_VALUE} for never
 */
record GatewayScenario(
        List<HttpNode.Traits> prefill,
        List<HttpNode.Traits> decode,
        ExchangeSettings settings,
        HttpClientConfig client,
        Bounds bounds,
        List<ModelClient.Plan> clients,
        List<Pause> pauses,
        boolean isMortal,
        long drainNs,
        Link link) {
    static final long SECOND = 1_000_000_000L;
    static final long PLENTY_BYTES = 1 << 24;
    private static final Link GOOD_LINK = new Link(200_000, 300_000, 100_000_000);
    private static final int MOST_NODES = 3;
    private static final int BURST = 20; // share of the time in which all clients come, in some seeds
    private static final int MOST_CLIENTS = 30;
    private static final int MOST_REPLY_BYTES = 1 << 20;
    private static final int LEAST_PIECE_BITS = 3; // of the longest piece that a node cuts its answers into
    private static final int PIECE_BITS = 8; // ways in which it may be longer

    /**
     * What the gateway keeps for its clients.
     *
     * @param highWaterBytes what may wait for one before it counts as slow
     * @param memoryBytes what may be held for all
     */
    record Bounds(int highWaterBytes, long memoryBytes) {}

    /** A time at which the gateway's process stands still. */
    record Pause(long atNs, long durationNs) {}

    /** Whether a client may be given up for want of memory. */
    boolean isShortOfMemory() {
        return bounds.memoryBytes() < PLENTY_BYTES;
    }

    /**
     * Draws a scenario.
     *
     * @param faultsNs how long faults and clients come
     * @param isCalm whether neither nodes err nor clients leave
     */
    static GatewayScenario draw(SplittableRandom random, long faultsNs, boolean isCalm) {
        boolean allTandem = random.nextInt(4) != 0;
        double errors = isCalm || random.nextBoolean() ? 0 : random.nextDouble() * 0.4;
        double broken = isCalm || random.nextBoolean() ? 0 : random.nextDouble() * 0.3;
        List<HttpNode.Traits> prefill = new ArrayList<>();
        List<HttpNode.Traits> decode = new ArrayList<>();
        int prefillCount = 1 + random.nextInt(MOST_NODES);
        int decodeCount = 1 + random.nextInt(MOST_NODES);
        for (int i = 0; i < prefillCount; i++) {
            prefill.add(traits(random, allTandem, errors, broken));
        }
        for (int i = 0; i < decodeCount; i++) {
            decode.add(traits(random, allTandem, errors, broken));
        }
        ExchangeSettings settings = new ExchangeSettings(
                random.nextInt(3) == 0 ? LocalPrefillPolicy.REFUSE : LocalPrefillPolicy.ALLOW,
                false,
                1 + random.nextInt(3),
                Duration.ofMillis(1 + random.nextInt(100)),
                MOST_REPLY_BYTES);
        HttpClientConfig client = HttpClientConfig.DEFAULT.withSilence(
                Duration.ofSeconds(10 + random.nextInt(20)), Duration.ofSeconds(4 + random.nextInt(6)));
        List<ModelClient.Plan> clients = new ArrayList<>();
        int clientCount = 1 + random.nextInt(MOST_CLIENTS);
        boolean someLeave = !isCalm && random.nextBoolean();
        boolean someRest = random.nextBoolean();
        long comeNs = random.nextInt(3) == 0 ? faultsNs / BURST : faultsNs;
        for (int number = 0; number < clientCount; number++) {
            clients.add(client(random, number, comeNs, someLeave, someRest, !isCalm && random.nextInt(10) == 0));
        }
        long drainNs = !isCalm && random.nextInt(5) == 0 ? (long) (faultsNs * random.nextDouble()) : Long.MAX_VALUE;
        int highWaterBytes = 1 << (6 + random.nextInt(10));
        long memoryBytes = isCalm || random.nextInt(4) != 0 ? PLENTY_BYTES : 1L << (9 + random.nextInt(10));
        return new GatewayScenario(
                prefill,
                decode,
                settings,
                client,
                new Bounds(highWaterBytes, memoryBytes),
                clients,
                isCalm || random.nextInt(4) != 0 ? List.of() : pauses(random, faultsNs),
                !isCalm && random.nextInt(4) == 0,
                drainNs,
                isCalm ? GOOD_LINK : link(random));
    }

    private static Link link(SplittableRandom random) {
        return new Link(
                EngineDeployment.logUniform(random, 20_000, 2_000_000),
                random.nextLong(1, 1_000_000),
                EngineDeployment.logUniform(random, 100_000, 100_000_000));
    }

    private static List<Pause> pauses(SplittableRandom random, long faultsNs) {
        List<Pause> pauses = new ArrayList<>();
        int count = 1 + random.nextInt(3);
        for (int i = 0; i < count; i++) {
            pauses.add(new Pause((long) (faultsNs * random.nextDouble()), (long)
                    (20 * SECOND * Math.pow(1_000, -random.nextDouble()))));
        }
        return pauses;
    }

    private static HttpNode.Traits traits(SplittableRandom random, boolean allTandem, double errors, double broken) {
        return new HttpNode.Traits(
                allTandem || random.nextBoolean(),
                random.nextInt(3) != 0,
                errors,
                broken,
                random.nextInt(4) == 0 ? 0.3 : 0,
                (long) (1_000_000L * Math.pow(2_000, random.nextDouble())),
                (long) (1_000_000L * Math.pow(300, random.nextDouble())),
                1 << (LEAST_PIECE_BITS + random.nextInt(PIECE_BITS)));
    }

    private static ModelClient.Plan client(
            SplittableRandom random, int number, long comeNs, boolean someLeave, boolean someRest, boolean borrowsId) {
        boolean isOne = random.nextInt(4) != 0;
        return new ModelClient.Plan(
                number,
                SECOND + (long) (comeNs * random.nextDouble()),
                new ModelClient.Ask(
                        isOne ? 1 : 1 + random.nextInt(3),
                        isOne ? 1 : 1 + random.nextInt(3),
                        1 + random.nextInt(8),
                        random.nextBoolean()),
                someLeave && random.nextInt(3) == 0 ? (long) (10_000_000L * Math.pow(1_000, random.nextDouble())) : -1,
                (long) (1_000_000L * Math.pow(3_000, random.nextDouble())),
                borrowsId,
                someRest && random.nextBoolean() ? random.nextDouble() * 0.5 : 0);
    }
}
