package dev.tandem.api.client;

import java.util.Optional;

/** One request to another server, seen from the event loop that started it by {@link HttpCalls}; every method must be called there. */
public interface Upstream {
    /** Calls the exchange off: the connection is closed at once, the listener hears nothing more. Doing so again does nothing. */
    void cancel();

    /** Asks for no more chunks until {@link #resume}. */
    void pause();

    /** Lets chunks come again. */
    void resume();

    /** Whether the last word has been heard. */
    boolean isOver();

    /** A field that came behind the body; to be asked once the answer has ended. */
    Optional<String> trailer(String name);
}
