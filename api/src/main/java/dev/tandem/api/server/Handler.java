package dev.tandem.api.server;

/** Answers one request on a virtual thread of its own. An {@link dev.tandem.api.openai.ApiError} that it throws becomes the response. */
@FunctionalInterface
public interface Handler {
    /** Answers the exchange; returning without an answer is a bug and gives the client a 500. */
    void handle(Exchange exchange) throws Exception;
}
