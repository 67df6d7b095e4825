/**
 * Sockets: the poller thread, listening, handshakes, and a queue of buffers that are written together. Knows frames, not regions or spans.
 * Entry: {@link dev.tandem.transfer.tcp.Poller}. The poller's thread runs every handler; handshakes run on virtual threads.
 */
package dev.tandem.transfer.tcp;
