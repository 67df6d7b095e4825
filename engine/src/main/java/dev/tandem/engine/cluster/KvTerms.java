package dev.tandem.engine.cluster;

import dev.tandem.kv.KvLayout;
import java.util.List;

/**
 * What a process says about its KV memory, as tensor-parallel rank 0 of any of its replicas holds it.
 *
 * @param blockSize tokens per block
 * @param planes one text per plane, in order
 */
public record KvTerms(int blockSize, List<String> planes) {
    static final int MAX_PLANES = 4096;

    public KvTerms {
        planes = List.copyOf(planes);
    }

    /** As in {@code k.0 BF16 2 x 16 of 4 heads}. */
    public static KvTerms of(KvLayout layout) {
        var planes = layout.planes().stream()
                .map(plane -> plane.name() + " " + plane.dtype() + " " + plane.heads() + " x " + plane.headDim()
                        + " of " + plane.modelHeads() + " heads")
                .toList();
        return new KvTerms(layout.blockSize(), planes);
    }
}
