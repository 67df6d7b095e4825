package dev.tandem.api.client;

/**
 * Starts requests to other servers on the event loop that asks for them. {@link HttpClient} sends them over the network; a simulation, as
 * messages under virtual time. Both keep the time limits of {@link HttpClientConfig}.
 */
public interface HttpCalls {
    /** Starts a call on the event loop that calls this method; the listener is called there. */
    Upstream startOnLoop(HttpCall call, ReplyListener listener);
}
