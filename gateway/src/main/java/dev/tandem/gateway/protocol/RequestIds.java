package dev.tandem.gateway.protocol;

import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Gives each request the id that P and D see: the client's own where it is harmless and not in use by another request in flight, since
 * leases and done messages are keyed by it; a fresh one otherwise. Used by all event loops.
 */
public final class RequestIds {
    private static final int MAX_LENGTH = 128;

    private final Set<String> inFlight = ConcurrentHashMap.newKeySet();

    /** An id for a request that begins; to be given back by {@link #release}. */
    public String take(Optional<String> wanted) {
        if (wanted.isPresent() && isSafe(wanted.get()) && inFlight.add(wanted.get())) {
            return wanted.get();
        }
        String fresh = UUID.randomUUID().toString();
        inFlight.add(fresh);
        return fresh;
    }

    /** The request has ended. */
    public void release(String id) {
        inFlight.remove(id);
    }

    /** Whether an id may go into headers, logs and lease keys: letters, digits and {@code -_.:}, at most {@value #MAX_LENGTH}. */
    public static boolean isSafe(String id) {
        if (id.isEmpty() || id.length() > MAX_LENGTH) {
            return false;
        }
        for (int i = 0; i < id.length(); i++) {
            char c = id.charAt(i);
            boolean allowed = (c >= 'a' && c <= 'z')
                    || (c >= 'A' && c <= 'Z')
                    || (c >= '0' && c <= '9')
                    || "-_.:".indexOf(c) >= 0;
            if (!allowed) {
                return false;
            }
        }
        return true;
    }
}
