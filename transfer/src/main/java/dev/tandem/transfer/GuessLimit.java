package dev.tandem.transfer;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * How many addresses that were never lent each host ({@link dev.tandem.trust.PeerHost}) may ask for: a bucket of tokens that fills slowly. A
 * host without a token is refused everything until it has one again, since whoever may ask without bound finds a lease in the end. Addresses
 * of leases that are over cost nothing. At most {@link #MAX_HOSTS} hosts are remembered; the one not heard of for longest is forgotten first.
 * Owned by the poller.
 */
final class GuessLimit {
    static final int MAX_HOSTS = 4096;

    /** Tokens as of a time. */
    private static final class Bucket {
        long tokens;
        long filledNs;
        boolean isTold; // that it was empty once

        Bucket(long tokens, long nowNs) {
            this.tokens = tokens;
            this.filledNs = nowNs;
        }
    }

    private final int most;
    private final long intervalNs;
    private final LinkedHashMap<String, Bucket> byHost = new LinkedHashMap<>(16, 0.75f, true); // last heard of last

    /**
     * @param most tokens of a bucket
     * @param intervalNs in which a bucket gets one token
     */
    GuessLimit(int most, long intervalNs) {
        this.most = most;
        this.intervalNs = intervalNs;
    }

    /** Whether a host must wait. Asked for each request, so it costs nothing where nobody guesses. */
    boolean isSpent(String host, long nowNs) {
        if (byHost.isEmpty()) {
            return false;
        }
        Bucket bucket = byHost.get(host);
        if (bucket == null) {
            return false;
        }
        fill(bucket, nowNs);
        if (bucket.tokens >= most) {
            byHost.remove(host); // as if it had never guessed
        }
        return bucket.tokens == 0;
    }

    /**
     * A host has asked for an address that was never lent.
     *
     * @return whether its bucket is empty for the first time since it was full: worth a line for operators
     */
    boolean guessed(String host, long nowNs) {
        Bucket bucket = byHost.computeIfAbsent(host, unknown -> new Bucket(most, nowNs));
        fill(bucket, nowNs);
        bucket.tokens = Math.max(0, bucket.tokens - 1);
        if (byHost.size() > MAX_HOSTS) {
            Map.Entry<String, Bucket> longestAgo = byHost.firstEntry();
            byHost.remove(longestAgo.getKey());
        }
        boolean isNews = bucket.tokens == 0 && !bucket.isTold;
        bucket.isTold |= isNews;
        return isNews;
    }

    int hosts() {
        return byHost.size();
    }

    private void fill(Bucket bucket, long nowNs) {
        long gained = (nowNs - bucket.filledNs) / intervalNs;
        if (gained > 0) {
            bucket.tokens = Math.min(most, bucket.tokens + gained);
            bucket.filledNs += gained * intervalNs;
        }
    }
}
