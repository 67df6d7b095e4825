package dev.tandem.engine.handoff.lease;

import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.kv.KvLayout;
import dev.tandem.kv.KvPool;
import dev.tandem.transfer.TransferConfig;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.random.RandomGenerator;

/**
 * How many places a lease of this process may lie at. The wire knows a block only by its address, so what keeps strangers out of a lease is
 * that nobody can guess where it is: its first virtual id is one of {@code idCount}, drawn at random. All planes of all ranks share the
 * positive 63-bit addresses, each with room for {@code idCount} blocks, so that fewer, smaller planes leave more random bits: 40 for 7.8 MiB
 * of block bytes in all planes of all ranks, 35 for 250 MiB.
 *
 * @param idCount virtual ids that a lease may begin at; every pool of the process has as many
 * @param guessInterval how often a host may ask for an address that was never lent, so that it hits one of all blocks on average in more
 *     than a year
 */
public record AddressSpace(long idCount, Duration guessInterval) {
    /** Fewer are refused. */
    public static final int LEAST_BITS = 28;

    /** First addresses of planes are multiples of this, and ends of planes at least this far from the next. */
    static final long ALIGNMENT = 1L << 21;

    /** The first plane begins between these two, so that no two lives of a node share an address. */
    static final long LEAST_FIRST_ADDRESS = 1L << 44;

    static final long MOST_FIRST_ADDRESS = LEAST_FIRST_ADDRESS + (1L << 57);

    private static final long END_ADDRESS = Long.MAX_VALUE & -ALIGNMENT;
    private static final long MOST_IDS = HandoffTicket.MAX_BLOCK_ID + 1;
    private static final Duration LEAST_GUESS_INTERVAL = TransferConfig.Bounds.GUESS_INTERVAL;
    private static final Duration YEAR = Duration.ofDays(366);

    /** For processes with few small pools that are not known yet, as those of tests: 2^36 places. */
    public static final AddressSpace SMALL = new AddressSpace(1L << 36, LEAST_GUESS_INTERVAL);

    /**
     * What the pools of a process leave.
     *
     * @param pools of all ranks of all replicas, not empty
     * @throws EngineException UNAVAILABLE naming the shape when they leave fewer than {@link #LEAST_BITS} bits
     */
    public static AddressSpace of(List<KvPool> pools) {
        int blocks = 0;
        var layouts = new ArrayList<KvLayout>();
        for (KvPool pool : pools) {
            blocks = Math.max(blocks, pool.blockCount());
            layouts.add(pool.layout());
        }
        return of(layouts, blocks);
    }

    /** @param blocks of the largest pool */
    static AddressSpace of(List<KvLayout> layouts, int blocks) {
        long planes = 0;
        long blockBytes = 0;
        for (KvLayout layout : layouts) {
            planes += layout.planes().size();
            blockBytes += layout.blockBytes();
        }
        long idCount = Math.min(MOST_IDS, (END_ADDRESS - MOST_FIRST_ADDRESS - 2 * ALIGNMENT * planes) / blockBytes);
        if (idCount < 1L << LEAST_BITS) {
            throw new EngineException(
                    EngineException.Kind.UNAVAILABLE,
                    layouts.size() + " ranks with " + planes + " planes and " + blockBytes
                            + " bytes of one block in all of them leave " + bits(idCount)
                            + " random bits in the addresses of leases, and " + LEAST_BITS
                            + " are needed: take fewer ranks per process, or a smaller --block-size");
        }
        // Who tries one id after the other finds one of n that are lent after idCount / (n + 1) tries on average.
        double seconds = YEAR.toSeconds() * (blocks + 1.0) / idCount;
        Duration interval = Duration.ofSeconds((long) Math.ceil(seconds));
        return new AddressSpace(
                idCount, interval.compareTo(LEAST_GUESS_INTERVAL) > 0 ? interval : LEAST_GUESS_INTERVAL);
    }

    /** Where the first plane of a process begins. */
    public static long drawFirstAddress(RandomGenerator random) {
        return random.nextLong(LEAST_FIRST_ADDRESS, MOST_FIRST_ADDRESS);
    }

    /** Random bits in the address of a lease, rounded down. */
    public int bits() {
        return bits(idCount);
    }

    private static int bits(long idCount) {
        return Long.SIZE - 1 - Long.numberOfLeadingZeros(idCount);
    }

    /**
     * Where each plane's virtual block 0 lies, one plane behind the other with a gap.
     *
     * @param leastAddress of the first plane
     */
    List<Long> planeAddresses(KvLayout layout, long leastAddress) {
        var addresses = new ArrayList<Long>();
        long address = aligned(Math.max(ALIGNMENT, leastAddress));
        for (int plane = 0; plane < layout.planes().size(); plane++) {
            addresses.add(address);
            address = behind(address, layout.blockBytes(plane));
        }
        return addresses;
    }

    /**
     * The first address behind the planes of a pool.
     *
     * @param leastAddress as for {@link #planeAddresses}
     * @throws IllegalStateException when they leave the positive addresses: more pools than this space was made for
     */
    public long endOf(KvLayout layout, long leastAddress) {
        List<Long> addresses = planeAddresses(layout, leastAddress);
        int last = addresses.size() - 1;
        return behind(addresses.get(last), layout.blockBytes(last));
    }

    private long behind(long address, long blockBytes) {
        try {
            return aligned(Math.addExact(address, Math.multiplyExact(blockBytes, idCount)) + ALIGNMENT);
        } catch (ArithmeticException e) {
            throw new IllegalStateException(
                    "no addresses left for a plane of " + blockBytes + " bytes per block and " + idCount + " ids", e);
        }
    }

    private static long aligned(long address) {
        return Math.addExact(address, ALIGNMENT - 1) & -ALIGNMENT;
    }
}
