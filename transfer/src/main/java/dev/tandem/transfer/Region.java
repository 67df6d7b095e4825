package dev.tandem.transfer;

import java.lang.foreign.MemorySegment;

/**
 * A range of addresses that peers may read or write. Two kinds: {@link DirectRegion} is memory itself; a leased region of the engine
 * maps virtual block ids to memory while their lease lives.
 */
public interface Region {
    /** First address as peers see it; not 0, need not be a real pointer. */
    long address();

    /** Addresses in the region. */
    long length();

    /**
     * Opens {@code [address, address + length)} for one transfer; whoever frees the memory waits until it is closed.
     *
     * @param party who asks, as far as the data port knows: the host's address
     * @throws TransferException REJECTED when any byte of the range may not be touched now, or not by this party
     */
    Access open(long address, long length, Operation operation, String party);

    /**
     * Whether all of the range is lent, or was until a while ago: whoever asks for it knows the address and comes too late, or is the wrong
     * party. Anything else that is refused is a guess.
     */
    boolean wasOpen(long address, long length);

    /** What a peer wants. */
    enum Operation {
        READ,
        WRITE
    }

    /** Memory pieces of one opened range, in address order; may be closed from any thread. */
    interface Access extends AutoCloseable {
        int pieces();

        MemorySegment piece(int index);

        @Override
        void close();
    }
}
