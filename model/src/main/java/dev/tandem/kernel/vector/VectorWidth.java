package dev.tandem.kernel.vector;

import dev.tandem.kernel.scalar.Lanes;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * The vector width of this JVM. The 16 virtual lanes of a sum are {@link #PARTS} vectors: one of 512 bits, two of 256 or four of 128. A
 * JVM decides once, at start, how wide its vectors are ({@code -XX:MaxVectorSize} narrows it), and species have to be constants for
 * the compiler to see through them, so there is one width per process.
 */
final class VectorWidth {
    private static final int WIDEST_BITS = 512;

    static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_PREFERRED.vectorBitSize() > WIDEST_BITS
            ? FloatVector.SPECIES_512
            : FloatVector.SPECIES_PREFERRED;

    static final int BITS = FLOATS.vectorBitSize();
    static final int LANES = FLOATS.length();
    static final int PARTS = Math.max(1, Lanes.COUNT / LANES);

    /** As many ints as there are floats in a vector. */
    static final VectorSpecies<Integer> INTS =
            LANES == 16 ? IntVector.SPECIES_512 : LANES == 8 ? IntVector.SPECIES_256 : IntVector.SPECIES_128;

    /** As many shorts as there are floats in a vector. */
    static final VectorSpecies<Short> SHORTS =
            LANES == 16 ? ShortVector.SPECIES_256 : LANES == 8 ? ShortVector.SPECIES_128 : ShortVector.SPECIES_64;

    /** As many bytes as there are floats in a vector, except beside 128 bits: there are no vectors of four bytes. */
    static final VectorSpecies<Byte> BYTES = LANES == 16 ? ByteVector.SPECIES_128 : ByteVector.SPECIES_64;

    private VectorWidth() {}
}
