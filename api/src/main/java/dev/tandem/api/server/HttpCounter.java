package dev.tandem.api.server;

import dev.tandem.counter.Counter;

/** What a server counts of its clients' connections and bytes; each constant says what its growth hints at. */
public enum HttpCounter implements Counter {
    MEMORY_REFUSALS(
            "Requests and replies refused because too many bytes were held for clients: large bodies, slow readers."),
    HEADS_REFUSED(
            "Requests refused for a head or a body that is not HTTP as its RFCs have it: a broken client, or an attack."),
    HEADS_LATE("Connections closed whose request did not come in time: silent or dripping clients."),
    CONNECTIONS_EVICTED(
            "Idle connections closed to make room for a new one: raise --max-connections or look who holds them."),
    CONNECTIONS_REFUSED("Connections refused because all were busy: raise --max-connections."),
    CLIENT_SHARE_REFUSALS("Requests refused because one address had more than half of all under way."),
    READERS_GIVEN_UP("Connections closed whose client read nothing of its answer for a minute.");

    private final String sentence;

    HttpCounter(String sentence) {
        this.sentence = sentence;
    }

    @Override
    public String sentence() {
        return sentence;
    }
}
