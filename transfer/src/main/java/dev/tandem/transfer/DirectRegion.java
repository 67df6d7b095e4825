package dev.tandem.transfer;

import java.lang.foreign.MemorySegment;

/** Real memory that peers may touch under its own address. Any thread. */
final class DirectRegion implements Region {
    private final MemorySegment memory;

    DirectRegion(MemorySegment memory) {
        this.memory = memory;
    }

    @Override
    public long address() {
        return memory.address();
    }

    @Override
    public long length() {
        return memory.byteSize();
    }

    @Override
    public Access open(long address, long length, Operation operation, String party) {
        if (operation == Operation.WRITE && memory.isReadOnly()) {
            throw new TransferException(TransferException.Kind.REJECTED, "region is read-only");
        }
        long offset = address - memory.address();
        if (offset < 0 || length <= 0 || length > memory.byteSize() - offset) {
            throw new TransferException(
                    TransferException.Kind.REJECTED,
                    "range " + Long.toUnsignedString(address) + "+" + Long.toUnsignedString(length)
                            + " is not inside the region");
        }
        return new Whole(memory.asSlice(offset, length));
    }

    /** What lies in it is open, and what does not never was. */
    @Override
    public boolean wasOpen(long address, long length) {
        return false;
    }

    /** One piece; whoever frees the memory waits at the engine's table, so there is nothing to close. */
    private record Whole(MemorySegment piece) implements Access {
        @Override
        public int pieces() {
            return 1;
        }

        @Override
        public MemorySegment piece(int index) {
            return piece;
        }

        @Override
        public void close() {}
    }
}
