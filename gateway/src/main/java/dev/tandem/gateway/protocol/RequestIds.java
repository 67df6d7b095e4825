package dev.tandem.gateway.protocol;

import dev.tandem.api.openai.RequestId;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.random.RandomGenerator;

/**
 * Gives each request the id that P and D see: the client's own where it is harmless and not in use by another request in flight, since
 * leases and done messages are keyed by it; a fresh one otherwise. Used by all event loops.
 */
public final class RequestIds {
    private static final int FRESH_BYTES = 16;

    private final RandomGenerator random;
    private final Set<String> inFlight = ConcurrentHashMap.newKeySet();

    /** @param random what fresh ids are drawn from */
    public RequestIds(RandomGenerator random) {
        this.random = random;
    }

    /** An id for a request that begins; to be given back by {@link #release}. */
    public String take(Optional<String> wanted) {
        if (wanted.isPresent() && RequestId.isSafe(wanted.get()) && inFlight.add(wanted.get())) {
            return wanted.get();
        }
        byte[] bytes = new byte[FRESH_BYTES];
        random.nextBytes(bytes);
        String fresh = UUID.nameUUIDFromBytes(bytes).toString();
        inFlight.add(fresh);
        return fresh;
    }

    /** The request has ended. */
    public void release(String id) {
        inFlight.remove(id);
    }
}
