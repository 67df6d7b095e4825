package dev.tandem.node;

import dev.tandem.api.ApiException;
import dev.tandem.api.HttpAddress;
import dev.tandem.api.client.ClientExchange;
import dev.tandem.api.client.HttpCall;
import dev.tandem.api.client.HttpClient;
import dev.tandem.api.client.HttpReply;
import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Waits for metaservers that may stand still. A process that was stopped, or a machine that was cut off, keeps its connections and says
 * nothing, as one does whose prefill node computes; so it is asked for its health while calls wait for it. Any answer, also a 404, is that of
 * a living server; when none has come for some time, all calls to that address are given up. Thread-safe; a virtual thread per address asks,
 * as long as it has calls.
 */
final class MetaserverWatch {
    private static final Logger LOG = LoggerFactory.getLogger(MetaserverWatch.class);
    private static final int QUESTIONS = 5; // within the silence that is allowed

    private final HttpClient client;
    private final Duration silence;
    private final Map<HttpAddress, Set<ClientExchange>> waiting = new HashMap<>(); // guarded by this

    /** @param silence how long an address may answer nothing */
    MetaserverWatch(HttpClient client, Duration silence) {
        this.client = client;
        this.silence = silence;
    }

    /**
     * Waits for the complete answer to a call that has been started.
     *
     * @throws ApiException TIMEOUT also when the metaserver has been silent to every question
     */
    HttpReply reply(HttpAddress address, ClientExchange exchange, Duration deadline) {
        enter(address, exchange);
        try {
            return exchange.reply(deadline);
        } catch (ApiException e) {
            if (leave(address, exchange)) {
                throw e;
            }
            String message = address + " hangs: no answer to any question for " + silence.toMillis() + " ms";
            throw new ApiException(ApiException.Kind.TIMEOUT, message, e);
        } finally {
            leave(address, exchange);
        }
    }

    private synchronized void enter(HttpAddress address, ClientExchange exchange) {
        Set<ClientExchange> calls = waiting.get(address);
        if (calls == null) {
            calls = new HashSet<>();
            waiting.put(address, calls);
            Thread.ofVirtual().name("metaserver-watch").start(() -> watch(address));
        }
        calls.add(exchange);
    }

    /** A call has ended; false when it was given up. */
    private synchronized boolean leave(HttpAddress address, ClientExchange exchange) {
        Set<ClientExchange> calls = waiting.get(address);
        return calls != null && calls.remove(exchange);
    }

    /** Whether calls wait there; if none does, nobody watches any more. */
    private synchronized boolean isAwaited(HttpAddress address) {
        Set<ClientExchange> calls = waiting.get(address);
        if (calls != null && calls.isEmpty()) {
            waiting.remove(address);
            return false;
        }
        return calls != null;
    }

    private void watch(HttpAddress address) {
        Duration pause = silence.dividedBy(QUESTIONS);
        long heardNs = System.nanoTime();
        int misses = 0;
        while (isAwaited(address)) {
            if (answers(address, pause)) {
                heardNs = System.nanoTime();
                misses = 0;
            } else {
                misses++; // one says nothing when this process itself was stopped meanwhile
            }
            if (misses > 1 && System.nanoTime() - heardNs >= silence.toNanos()) {
                giveUp(address);
            }
            try {
                Thread.sleep(pause);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private boolean answers(HttpAddress address, Duration within) {
        try {
            client.send(HttpCall.get(address, "/health"), within);
            return true;
        } catch (ApiException e) {
            return !HttpClient.isSilence(e); // a refused connection ends the calls by itself
        } catch (RuntimeException e) {
            LOG.error("cannot ask {} whether it hangs", address, e); // as good as silence: the calls are not left to it
            return false;
        }
    }

    private void giveUp(HttpAddress address) {
        Set<ClientExchange> calls;
        synchronized (this) {
            calls = Set.copyOf(waiting.getOrDefault(address, Set.of()));
            calls.forEach(call -> leave(address, call));
        }
        calls.forEach(ClientExchange::cancel);
    }
}
