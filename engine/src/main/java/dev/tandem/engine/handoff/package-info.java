/**
 * Hands the KV of a prompt from a prefill node to a decode node: P lends its blocks under leases with virtual ids, D asks what P holds,
 * plans which bytes to read, reads them and says done. Entry: {@link dev.tandem.engine.handoff.Handoff}. Its methods belong to the
 * engine loop; the side-channel poller owns all ZeroMQ sockets and the state of fetches under way, and the transfer engine's threads
 * open and close accesses to lent blocks. What crosses those borders is posted to queues.
 */
package dev.tandem.engine.handoff;
