package dev.tandem.engine.request;

/** How many living sequences are in each state. {@link Sequence} counts itself at every transition; owned by the engine loop. */
@SuppressWarnings("EnumOrdinal") // an array by ordinal, as in an EnumMap, but without boxed counts
public final class StateCounts {
    private final int[] counts = new int[SequenceState.values().length]; // by ordinal

    /** Living sequences in a state; none is ever FINISHED here. */
    public int of(SequenceState state) {
        return counts[state.ordinal()];
    }

    void enter(SequenceState state) {
        if (state != SequenceState.FINISHED) {
            counts[state.ordinal()]++;
        }
    }

    void leave(SequenceState state) {
        counts[state.ordinal()]--;
    }
}
