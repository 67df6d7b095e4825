package dev.tandem.quantize;

import dev.tandem.kernel.DType;
import java.util.List;

/**
 * A tensor that will be written.
 *
 * @param name its name
 * @param dtype stored type
 * @param shape extents, slowest first
 */
record OutputTensor(String name, DType dtype, List<Integer> shape) {
    long bytes() {
        long values = 1;
        for (int extent : shape) {
            values = Math.multiplyExact(values, (long) extent);
        }
        return dtype.bytes(values);
    }
}
