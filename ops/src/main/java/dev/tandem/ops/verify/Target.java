package dev.tandem.ops.verify;

import dev.tandem.ops.topology.Topology.Endpoint;
import java.net.URI;
import java.net.URISyntaxException;
import java.util.Optional;

/**
 * An HTTP server that is asked.
 *
 * @param base scheme, host and port, and a path in front of every page; no slash at its end
 */
public record Target(URI base) {
    /**
     * Reads {@code HOST:PORT} or a URL; a {@code /v1} at its end, as OpenAI's clients have it, is taken off.
     *
     * @throws IllegalArgumentException when it is neither, saying what was found
     */
    public static Target parse(String text) {
        String url = text.contains("://") ? text : "http://" + text;
        while (url.endsWith("/")) {
            url = url.substring(0, url.length() - 1);
        }
        URI base;
        try {
            base = new URI(url.endsWith("/v1") ? url.substring(0, url.length() - "/v1".length()) : url);
        } catch (URISyntaxException e) {
            throw new IllegalArgumentException(text + " is not a URL: " + e.getReason(), e);
        }
        boolean isHttp = "http".equals(base.getScheme()) || "https".equals(base.getScheme());
        if (!isHttp || base.getHost() == null || base.getQuery() != null || base.getFragment() != null) {
            throw new IllegalArgumentException(text + " is not HOST:PORT nor http[s]://HOST:PORT[/PATH]");
        }
        return new Target(base);
    }

    /** Reads a text that another program has written; empty when it names no server. */
    static Optional<Target> find(String text) {
        try {
            return Optional.of(parse(text));
        } catch (IllegalArgumentException e) {
            return Optional.empty();
        }
    }

    /** A server without a path in front. */
    public static Target of(Endpoint endpoint) {
        return parse(endpoint.toString());
    }

    URI uri(String path) {
        return URI.create(base + path);
    }

    /** Host and port, as messages name it. */
    public String authority() {
        return base.getAuthority();
    }

    @Override
    public String toString() {
        return base.toString();
    }
}
