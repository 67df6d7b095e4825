/**
 * The exchange with a prefill and a decode node. Entry: {@link dev.tandem.gateway.protocol.PdProtocol} with one implementation per order;
 * one exchange object per request, owned by the event loop of the client's connection. What is sent is made by pure functions: {@link
 * dev.tandem.gateway.protocol.LegRequests}.
 */
@NullMarked
package dev.tandem.gateway.protocol;

import org.jspecify.annotations.NullMarked;
