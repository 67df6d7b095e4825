/**
 * HTTP server. Entry: {@link dev.tandem.api.server.HttpServer}; a route runs on a virtual thread of its own ({@link
 * dev.tandem.api.server.Exchange}) or on the connection's event loop ({@link dev.tandem.api.server.LoopExchange}).
 */
@NullMarked
package dev.tandem.api.server;

import org.jspecify.annotations.NullMarked;
