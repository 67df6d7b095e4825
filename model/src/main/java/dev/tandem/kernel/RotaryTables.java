package dev.tandem.kernel;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The rotary tables of a process: ranks that ask for the same angles share one table, which grows with the longest sequence and not with
 * the number of ranks. Holds one table for each different rotary embedding of the models loaded with it, one or two. Owned by the thread
 * that loads; the tables are read by all ranks.
 */
public final class RotaryTables {
    /** @param inverseFrequencies [pairs] */
    @SuppressWarnings("ArrayRecordComponent") // compared by hand
    private record Made(double[] inverseFrequencies, int positions, double factor, RotaryTable table) {
        boolean isOf(double[] otherFrequencies, int otherPositions, double otherFactor) {
            return positions == otherPositions
                    && Double.compare(factor, otherFactor) == 0
                    && Arrays.equals(inverseFrequencies, otherFrequencies);
        }
    }

    private final List<Made> made = new ArrayList<>();

    /** The table that {@link RotaryTable#of} makes, made once. */
    public RotaryTable of(double[] inverseFrequencies, int positions, double factor) {
        for (Made earlier : made) {
            if (earlier.isOf(inverseFrequencies, positions, factor)) {
                return earlier.table;
            }
        }
        RotaryTable table = RotaryTable.of(inverseFrequencies, positions, factor);
        made.add(new Made(inverseFrequencies.clone(), positions, factor, table));
        return table;
    }
}
