/**
 * What a client asks for and what it gets: requests, sampling options, token streams, and the engine's own view of a request, the
 * sequence. Entry: {@link dev.tandem.engine.request.Request}. Requests and events are values; a sequence belongs to the engine loop.
 */
package dev.tandem.engine.request;
