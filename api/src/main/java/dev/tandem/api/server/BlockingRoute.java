package dev.tandem.api.server;

/**
 * Which handler answers a method and an exact path (without query) on a thread where it may block: a virtual thread of the request's own,
 * or one of the server's few threads for status.
 *
 * @param isStatus whether the handler tells a state that it reads at once: it answers whatever the other handlers are doing
 */
public record BlockingRoute(String method, String path, Handler handler, boolean isStatus) implements Route {
    /** A route for work. */
    public BlockingRoute(String method, String path, Handler handler) {
        this(method, path, handler, false);
    }

    /** A route for status. */
    public static BlockingRoute status(String method, String path, Handler handler) {
        return new BlockingRoute(method, path, handler, true);
    }
}
