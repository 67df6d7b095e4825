/**
 * One address for clients before prefill and decode nodes. Entry: {@link dev.tandem.gateway.Gateway}, configured by
 * {@link dev.tandem.gateway.GatewayConfig}. Completions are served on event loops, everything else on virtual threads.
 */
@NullMarked
package dev.tandem.gateway;

import org.jspecify.annotations.NullMarked;
