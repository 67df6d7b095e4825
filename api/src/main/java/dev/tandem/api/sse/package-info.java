/**
 * Server-sent events as bytes: {@link dev.tandem.api.sse.SseWriter} frames what a node says, {@link dev.tandem.api.sse.SseReader} finds
 * the events in what the network delivers, {@link dev.tandem.api.sse.SseFrames} cuts a relayed stream at event boundaries. Each object
 * is owned by the thread of its stream.
 */
@NullMarked
package dev.tandem.api.sse;

import org.jspecify.annotations.NullMarked;
