/**
 * Lends a prefill node's blocks, finds a peer, plans which bytes to read and reads them. Entry: {@link
 * dev.tandem.engine.handoff.HandoffLedger} on P, {@link dev.tandem.engine.handoff.PullConnector} on D. The ledger belongs to the engine
 * loop; the side-channel poller owns its sockets.
 */
package dev.tandem.engine.handoff;
