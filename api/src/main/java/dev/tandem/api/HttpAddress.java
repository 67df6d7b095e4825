package dev.tandem.api;

/**
 * Where a server is: a host name, an IPv4 literal or an IPv6 literal, and a port.
 */
public record HttpAddress(String host, int port) {
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

    @Override
    public String toString() {
        return authority();
    }
}
