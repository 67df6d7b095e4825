package dev.tandem.engine.execute;

/** A step was given up between two layers because nobody waits for its result; its sequences have not advanced. */
public final class StepAbandonedException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    StepAbandonedException(int layer) {
        super("given up after layer " + layer, null, false, false);
    }
}
