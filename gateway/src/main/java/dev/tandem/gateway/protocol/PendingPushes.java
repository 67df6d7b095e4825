package dev.tandem.gateway.protocol;

import dev.tandem.trust.ClusterSecret;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.random.RandomGenerator;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Which decode nodes may ask for their prompt now, by the id of the sequence. The ids cannot be guessed, so that only a node that has been
 * given one can ask. Holds at most one entry per request in flight. Shared by all event loops.
 */
final class PendingPushes {
    private static final int SECRET_BYTES = 12;
    private static final int MAX_STEM_LENGTH = 100;
    /** What vLLM from 0.14 on puts behind an id inside its engine: a node that posts it has forgotten to take it off. */
    private static final Pattern ENGINE_SUFFIX = Pattern.compile("-[0-9a-f]{8}$");

    private static final String SEALED_AS = "metaserver";

    private final ClusterSecret secret;
    private final RandomGenerator unguessable;
    private final Map<String, PushAttempt> expected = new ConcurrentHashMap<>();
    /** Written by the thread that starts the server, read by event loops. */
    private volatile @Nullable String url;

    /**
     * @param secret that decode nodes know
     * @param unguessable what ids are drawn from
     */
    PendingPushes(ClusterSecret secret, RandomGenerator unguessable) {
        this.secret = secret;
        this.unguessable = unguessable;
    }

    void announce(String metaserverUrl) {
        url = metaserverUrl;
    }

    /** What decode nodes are told to post to. */
    String url() {
        String known = url;
        if (known == null) {
            throw new IllegalStateException("a request before the gateway knows its own address");
        }
        return known;
    }

    /** What shows decode nodes that the URL is ours, hexadecimal; empty without a secret. */
    String seal() {
        return secret.isSet()
                ? HexFormat.of().formatHex(secret.seal(SEALED_AS, url().getBytes(StandardCharsets.UTF_8)))
                : "";
    }

    /** An {@code X-Request-Id} for one attempt: the client's id, so that logs can be read, and what nobody can guess. */
    String hopId(String requestId) {
        byte[] secret = new byte[SECRET_BYTES];
        unguessable.nextBytes(secret);
        String stem = requestId.length() <= MAX_STEM_LENGTH ? requestId : requestId.substring(0, MAX_STEM_LENGTH);
        return stem + "." + HexFormat.of().formatHex(secret);
    }

    void expect(PushAttempt attempt) {
        expected.put(attempt.sequenceId(), attempt);
    }

    void forget(PushAttempt attempt) {
        expected.remove(attempt.sequenceId(), attempt);
    }

    Optional<PushAttempt> find(String sequenceId) {
        PushAttempt exact = expected.get(sequenceId);
        return exact != null
                ? Optional.of(exact)
                : Optional.ofNullable(
                        expected.get(ENGINE_SUFFIX.matcher(sequenceId).replaceFirst("")));
    }

    /** How many requests are waited for. */
    int size() {
        return expected.size();
    }
}
