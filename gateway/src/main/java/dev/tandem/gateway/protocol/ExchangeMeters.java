package dev.tandem.gateway.protocol;

import dev.tandem.api.metrics.Histogram;
import dev.tandem.counter.Counters;
import java.util.function.LongSupplier;

/**
 * What exchanges are measured with.
 *
 * @param counters of requests and failures
 * @param localReasons why requests were not disaggregated
 * @param prefillSeconds from the call of a prefill node to its answer
 * @param firstByteSeconds from the client's request to the first byte for the client
 * @param requestSeconds from the client's request to the end of its answer
 * @param nanoClock what these times are measured by
 */
public record ExchangeMeters(
        Counters<GatewayCounter> counters,
        Counters<LocalReason> localReasons,
        Histogram prefillSeconds,
        Histogram firstByteSeconds,
        Histogram requestSeconds,
        LongSupplier nanoClock) {
    /** Seconds since a time of the clock. */
    public double secondsSince(long startNs) {
        return (nanoClock.getAsLong() - startNs) / 1e9;
    }
}
