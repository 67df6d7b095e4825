package dev.tandem.gateway.protocol;

import dev.tandem.api.client.HttpClient;
import dev.tandem.gateway.fleet.Fleet;

/** What all exchanges of a gateway share. */
public record ExchangeParts(Fleet fleet, HttpClient http, ExchangeSettings settings, ExchangeMeters meters) {}
