/**
 * HTTP server and client over Vert.x, for nodes and gateway alike. Entry: {@link dev.tandem.api.HttpServer} and
 * {@link dev.tandem.api.HttpClient}. Requests arrive on event loops and are handed to a virtual thread each, which sees an
 * {@link dev.tandem.api.Exchange}; relays stay on the event loop and see a {@link dev.tandem.api.LoopExchange} and an
 * {@link dev.tandem.api.Upstream}.
 */
@NullMarked
package dev.tandem.api;

import org.jspecify.annotations.NullMarked;
