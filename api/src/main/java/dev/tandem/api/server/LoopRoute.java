package dev.tandem.api.server;

/**
 * Which handler answers a method and an exact path (without query) on the event loop, where it must not block.
 *
 * @param isCallback whether its requests come from servers that requests in flight wait for: they are counted separately, so that many
 *     clients do not shut out what the clients wait for
 */
public record LoopRoute(String method, String path, LoopHandler handler, boolean isCallback) implements Route {
    /** A route for clients. */
    public LoopRoute(String method, String path, LoopHandler handler) {
        this(method, path, handler, false);
    }

    /** A route for servers that call back. */
    public static LoopRoute callback(String method, String path, LoopHandler handler) {
        return new LoopRoute(method, path, handler, true);
    }
}
