package dev.tandem.api;

/** Which event loop handler answers a method and an exact path (without query). */
public record LoopRoute(String method, String path, LoopHandler handler) {}
