package dev.tandem.api;

/**
 * Where a server is, and how it is spoken to.
 *
 * @param host a name, an IPv4 literal or an IPv6 literal
 * @param port 0 stands for any
 * @param isSecure whether connections are TLS
 */
public record HttpAddress(String host, int port, boolean isSecure) {
    /** A server that speaks plain HTTP. */
    public HttpAddress(String host, int port) {
        this(host, port, false);
    }

    /** Checks that there is a host and that the port can exist; 0 stands for any. Brackets around the host are taken off. */
    public HttpAddress {
        if (host.startsWith("[") && host.endsWith("]")) {
            host = host.substring(1, host.length() - 1);
        }
        if (host.isBlank() || port < 0 || port > 65_535) {
            throw new IllegalArgumentException("no address: host '" + host + "' port " + port);
        }
    }

    /** As in a URL and a {@code Host} header: an IPv6 literal has brackets. */
    public String authority() {
        return hostInUrl() + ":" + port;
    }

    /** The host as in a URL: an IPv6 literal has brackets. */
    public String hostInUrl() {
        return host.indexOf(':') >= 0 ? "[" + host + "]" : host;
    }

    /** The beginning of a URL: scheme, host and port. */
    public String url() {
        return (isSecure ? "https://" : "http://") + authority();
    }

    /** As it is told to people, and read where addresses are listed: {@code https://} stands in front where it counts. */
    @Override
    public String toString() {
        return isSecure ? url() : authority();
    }
}
