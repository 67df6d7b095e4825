/**
 * HTTP server and client over Vert.x, for nodes and gateway alike. Entry: {@link dev.tandem.api.HttpServer}. Requests arrive on the
 * event loop and are handed to a virtual thread each.
 */
package dev.tandem.api;
