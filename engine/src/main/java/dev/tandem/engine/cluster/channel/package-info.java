/**
 * Persistent connections between the processes of one deployment: frames with a length, a bounded queue, heartbeats and one cause for the
 * end. Entry: {@link dev.tandem.engine.cluster.channel.FrameChannel}. Each connection has a reader thread, which runs its handler, and a
 * writer thread; any thread sends. Knows nothing of ranks, requests or experts.
 */
package dev.tandem.engine.cluster.channel;
