package dev.tandem.api;

/**
 * Which event loop handler answers a method and an exact path (without query).
 *
 * @param isCallback whether its requests come from servers that requests in flight wait for: they are counted by themselves, so that a
 *     house full of clients does not shut out what the clients wait for
 */
public record LoopRoute(String method, String path, LoopHandler handler, boolean isCallback) {
    /** A route for clients. */
    public LoopRoute(String method, String path, LoopHandler handler) {
        this(method, path, handler, false);
    }

    /** A route for servers that call back. */
    public static LoopRoute callback(String method, String path, LoopHandler handler) {
        return new LoopRoute(method, path, handler, true);
    }
}
