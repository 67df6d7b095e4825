/**
 * Moves bytes between registered memory of two processes, in Mooncake's TCP protocol; sees regions and spans, knows nothing of tokens,
 * layers or ranks. Entry: {@link dev.tandem.transfer.TransferEngine}. One poller thread per engine owns connections and posted
 * transfers; it completes transfers and never runs its caller's code for long.
 */
package dev.tandem.transfer;
