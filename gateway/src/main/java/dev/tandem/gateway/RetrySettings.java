package dev.tandem.gateway;

import java.time.Duration;

/**
 * How often a leg is tried.
 *
 * @param maxRetries {@code --max-retries}: nodes that are asked for one leg (a decode leg asks two at most)
 * @param retryDelay {@code --retry-delay}: before the second attempt; doubles with each further one
 */
public record RetrySettings(int maxRetries, Duration retryDelay) {
    /** The proxy's defaults: 3 and 1 ms. */
    public static final RetrySettings DEFAULT = new RetrySettings(3, Duration.ofMillis(1));
}
