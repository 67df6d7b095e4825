/**
 * Hands the KV of a prompt from a prefill node to a decode node. Pull: P lends its blocks under leases with virtual ids, D asks what P
 * holds, plans which bytes to read, reads them and says done. Layerwise push: D lends its blocks for writing and invites a prefill node,
 * P writes each layer as it is computed and says done. Entry: {@link dev.tandem.engine.handoff.Handoff}, one a replica, over the {@link
 * dev.tandem.engine.handoff.HandoffRuntime} of the process. Its methods belong to the engine loop; the side-channel poller owns all ZeroMQ
 * sockets and the state of fetches and pushes under way, and the transfer engine's threads open and close accesses to lent blocks. What
 * crosses those borders is posted to queues.
 */
package dev.tandem.engine.handoff;
