package dev.tandem.api.server;

/** What answers a method and an exact path (without query) of a server: on a virtual thread of its own, or on the event loop. */
public sealed interface Route permits BlockingRoute, LoopRoute {
    /** In capitals. */
    String method();

    /** Without query. */
    String path();
}
