package dev.tandem.api;

/** To be written. */
public final class HttpServer {}
