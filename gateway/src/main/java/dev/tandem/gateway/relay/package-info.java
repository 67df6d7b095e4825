/**
 * Relaying a node's answer: {@link dev.tandem.gateway.relay.StreamRelay} for events, {@link dev.tandem.gateway.relay.ReplyCollector}
 * for answers in one piece, both into an {@link dev.tandem.gateway.relay.Answer}. Owned by the event loop of the client's connection.
 */
@NullMarked
package dev.tandem.gateway.relay;

import org.jspecify.annotations.NullMarked;
