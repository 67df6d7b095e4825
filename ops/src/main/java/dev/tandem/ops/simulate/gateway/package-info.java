/**
 * The real gateway (exchanges of both orders, fleet, metaserver, intake) before nodes and clients that a seed makes up. Entry: {@link
 * dev.tandem.ops.simulate.gateway.GatewaySimulation}. One thread runs everything.
 */
@NullMarked
package dev.tandem.ops.simulate.gateway;

import org.jspecify.annotations.NullMarked;
