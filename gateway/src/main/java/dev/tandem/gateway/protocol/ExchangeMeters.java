package dev.tandem.gateway.protocol;

import dev.tandem.api.metrics.Histogram;

/**
 * What exchanges are measured with.
 *
 * @param counters counts
 * @param prefillSeconds from the call of a prefill node to its answer
 * @param firstByteSeconds from the client's request to the first byte for the client
 * @param requestSeconds from the client's request to the end of its answer
 */
public record ExchangeMeters(
        GatewayCounters counters, Histogram prefillSeconds, Histogram firstByteSeconds, Histogram requestSeconds) {}
