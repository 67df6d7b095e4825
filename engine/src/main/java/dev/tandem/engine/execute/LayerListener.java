package dev.tandem.engine.execute;

/** Hears that keys and values of a running batch lie in a pool. */
@FunctionalInterface
public interface LayerListener {
    /** Nobody listens. */
    LayerListener NONE = (tpRank, layer) -> {};

    /**
     * All keys and values of one layer of the running batch lie in one rank's pool. Called on that rank's thread, in the middle of the
     * step: it must not block.
     */
    void stored(int tpRank, int layer);
}
