/**
 * Mooncake's TCP protocol as bytes: request headers, status frames, handshake frames and segment descriptors. Nothing here does I/O or
 * knows a region. Entry: {@link dev.tandem.transfer.wire.RequestHeader} for the data port, {@link
 * dev.tandem.transfer.wire.HandshakeFrame} for the handshake port. Any thread; values and flyweights without state of their own.
 */
package dev.tandem.transfer.wire;
