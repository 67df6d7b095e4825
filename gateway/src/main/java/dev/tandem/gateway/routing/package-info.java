/** Which nodes serve a request. Entry: {@link dev.tandem.gateway.routing.RoutingPolicy}, a pure function; any thread. */
@NullMarked
package dev.tandem.gateway.routing;

import org.jspecify.annotations.NullMarked;
