package dev.tandem.gateway.routing;

import dev.tandem.gateway.fleet.FleetNode;
import java.util.Optional;

/**
 * The nodes that a request is to go through.
 *
 * @param prefill none when no healthy prefill node is left, or none is wanted
 * @param decode none when no healthy decode node is left
 */
public record RoutePlan(Optional<FleetNode> prefill, Optional<FleetNode> decode) {}
