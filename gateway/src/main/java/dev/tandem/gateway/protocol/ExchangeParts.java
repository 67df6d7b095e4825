package dev.tandem.gateway.protocol;

import dev.tandem.api.client.HttpCalls;
import dev.tandem.gateway.fleet.Fleet;
import java.util.random.RandomGenerator;

/**
 * What all exchanges of a gateway share.
 *
 * @param random what equal nodes are chosen by; all event loops draw from it
 */
public record ExchangeParts(
        Fleet fleet, HttpCalls http, ExchangeSettings settings, ExchangeMeters meters, RandomGenerator random) {}
