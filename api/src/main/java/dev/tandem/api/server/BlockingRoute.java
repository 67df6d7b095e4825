package dev.tandem.api.server;

/** Which handler answers a method and an exact path (without query) on a virtual thread of the request's own, where it may block. */
public record BlockingRoute(String method, String path, Handler handler) implements Route {}
