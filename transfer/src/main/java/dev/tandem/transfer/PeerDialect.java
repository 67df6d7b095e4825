package dev.tandem.transfer;

import dev.tandem.transfer.wire.Opcode;
import dev.tandem.transfer.wire.SegmentDescriptor;

/**
 * How a peer is spoken to.
 *
 * @param read opcode of reads
 * @param write opcode of writes
 * @param depth requests on one connection that wait for their answers; peers of protocol v1 may close after each
 */
record PeerDialect(Opcode read, Opcode write, int depth) {
    private static final PeerDialect V1 = new PeerDialect(Opcode.READ_V1, Opcode.WRITE_V1, 1);
    private static final PeerDialect V2 = new PeerDialect(Opcode.READ_V2, Opcode.WRITE_V2, Frames.SLOTS);
    private static final PeerDialect SUMMED = new PeerDialect(Opcode.READ_CRC, Opcode.WRITE_CRC, Frames.SLOTS);

    static PeerDialect of(SegmentDescriptor descriptor, boolean wantsChecksums) {
        if (descriptor.tcp().version() < 2) {
            return V1;
        }
        return wantsChecksums && descriptor.tcp().offersCrc32c() ? SUMMED : V2;
    }
}
