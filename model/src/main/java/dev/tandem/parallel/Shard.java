package dev.tandem.parallel;

/**
 * The part of something countable, such as the output rows of a linear layer, that one rank owns.
 *
 * @param from first index, inclusive
 * @param to last index, exclusive
 */
public record Shard(int from, int to) {
    /** How many indices the rank owns. */
    public int size() {
        return to - from;
    }

    /** The same part counted in smaller things, {@code width} per index: the output rows of a projection that make these heads. */
    public Shard times(int width) {
        return new Shard(from * width, to * width);
    }
}
