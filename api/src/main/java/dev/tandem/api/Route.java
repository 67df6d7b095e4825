package dev.tandem.api;

/** Which handler answers a method and an exact path (without query). */
public record Route(String method, String path, Handler handler) {}
