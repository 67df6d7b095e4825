package dev.tandem.engine.execute;

/** A step was given up midway because nobody waits for its result; its sequences have not advanced. */
public final class StepAbandonedException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    StepAbandonedException() {
        super("nobody waits for the step", null, false, false);
    }
}
