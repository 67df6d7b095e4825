package dev.tandem.ops.simulate.gateway;

import dev.tandem.api.HttpAddress;
import dev.tandem.api.client.HttpCall;
import dev.tandem.api.client.HttpClientConfig;
import dev.tandem.api.metrics.Histogram;
import dev.tandem.api.openai.ApiError;
import dev.tandem.api.server.LoopExchange;
import dev.tandem.counter.Counters;
import dev.tandem.gateway.fleet.Fleet;
import dev.tandem.gateway.fleet.HandoffKind;
import dev.tandem.gateway.fleet.NodeKey;
import dev.tandem.gateway.fleet.ProbeSchedule;
import dev.tandem.gateway.intake.CompletionIntake;
import dev.tandem.gateway.intake.RunningAnswers;
import dev.tandem.gateway.protocol.DecodeThenPrefill;
import dev.tandem.gateway.protocol.ExchangeMeters;
import dev.tandem.gateway.protocol.ExchangeParts;
import dev.tandem.gateway.protocol.ExchangeSettings;
import dev.tandem.gateway.protocol.GatewayCounter;
import dev.tandem.gateway.protocol.LocalReason;
import dev.tandem.gateway.protocol.PdProtocol;
import dev.tandem.gateway.protocol.PrefillThenDecode;
import dev.tandem.gateway.protocol.RequestIds;
import dev.tandem.ops.simulate.SimulatedHost;
import dev.tandem.trust.PeerTrust;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/** The gateway's own parts, put together as {@link dev.tandem.gateway.Gateway} does, on a simulated host. */
final class SimulatedGateway {
    static final int PORT = 8000;

    private final SimulatedHttp http;
    private final Fleet fleet;
    private final ExchangeMeters meters;
    private final RunningAnswers running = new RunningAnswers();
    private final SimulatedExchange.HeldBytes bytes;
    private final @Nullable DecodeThenPrefill decodeFirst;
    private final CompletionIntake intake;

    /**
     * What a gateway is told.
     *
     * @param client limits of calls
     */
    record Setup(
            HandoffKind kind,
            List<HttpAddress> prefill,
            List<HttpAddress> decode,
            ExchangeSettings settings,
            HttpClientConfig client,
            ProbeSchedule probes,
            GatewayScenario.Bounds bounds) {}

    /**
     * A gateway that begins to judge its nodes and listens.
     *
     * @param random what it draws its choices and ids from
     * @param called hears of its calls
     * @param tampering makes them go wrong
     */
    SimulatedGateway(
            SimulatedHost host,
            Setup setup,
            Histogram histogram,
            RandomGenerator random,
            Consumer<HttpCall> called,
            GatewaySimulation.Tampering tampering) {
        http = new SimulatedHttp(host, setup.client(), called);
        bytes = new SimulatedExchange.HeldBytes(setup.bounds().memoryBytes());
        NodeKey key = new NodeKey(Optional.empty(), Optional.empty(), true);
        fleet = new Fleet(setup.prefill(), setup.decode(), setup.kind(), key, host::nowNs);
        meters = new ExchangeMeters(
                new Counters<>(GatewayCounter.class),
                new Counters<>(LocalReason.class),
                histogram,
                histogram,
                histogram,
                host::nowNs);
        var parts = new ExchangeParts(fleet, tampering.with(http, fleet), setup.settings(), meters, random);
        PdProtocol protocol;
        if (setup.kind() == HandoffKind.LAYERWISE) {
            decodeFirst = new DecodeThenPrefill(parts, PeerTrust.everybody(), random);
            decodeFirst.announce(new HttpAddress(host.address(), PORT).url() + "/v1/metaserver");
            protocol = decodeFirst;
        } else {
            decodeFirst = null;
            protocol = new PrefillThenDecode(parts);
        }
        intake = new CompletionIntake(protocol, new RequestIds(random), meters, key, running, false);
        new SimulatedExchange.Server(host, this::handle, bytes, setup.bounds().highWaterBytes()).listen(PORT);
        fleet.probes(setup.probes()).forEach(probe -> new SimulatedProbe(host, http, probe).start());
    }

    private void handle(LoopExchange exchange) {
        DecodeThenPrefill callbacks = decodeFirst;
        if (exchange.path().equals("/v1/metaserver") && callbacks != null) {
            callbacks.metaserver(exchange);
        } else if (exchange.path().equals("/v1/completions")) {
            intake.accept(exchange);
        } else {
            throw ApiError.notFound("no such path: " + exchange.path(), null);
        }
    }

    Fleet fleet() {
        return fleet;
    }

    SimulatedHttp http() {
        return http;
    }

    RunningAnswers running() {
        return running;
    }

    long counter(GatewayCounter counter) {
        return meters.counters().value(counter);
    }

    /** Bytes that are held for clients. */
    long heldBytes() {
        return bytes.held();
    }

    /** Posts of decode nodes that may still come. */
    int expectedPosts() {
        DecodeThenPrefill callbacks = decodeFirst;
        return callbacks == null ? 0 : callbacks.expectedPosts();
    }
}
