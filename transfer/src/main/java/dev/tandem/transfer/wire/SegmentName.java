package dev.tandem.transfer.wire;

/**
 * What a peer is called in P2PHANDSHAKE mode: {@code host:rpcPort}, IPv6 hosts in brackets.
 *
 * @param host name or literal address, without brackets
 * @param port handshake port
 */
public record SegmentName(String host, int port) {
    /** The port of a name without one, as in Mooncake. */
    public static final int DEFAULT_PORT = 12001;

    private static final int MAX_PORT = 65_535;

    public SegmentName {
        if (host.isEmpty() || port < 1 || port > MAX_PORT) {
            throw new IllegalArgumentException("no segment name: host '" + host + "', port " + port);
        }
    }

    /** @throws WireException the text has no host or a port that is not a number */
    public static SegmentName parse(String text) throws WireException {
        try {
            if (text.startsWith("[")) {
                int end = text.indexOf(']');
                if (end < 0) {
                    throw new WireException("segment name '" + text + "' has no closing bracket");
                }
                String rest = text.substring(end + 1);
                return new SegmentName(text.substring(1, end), rest.isEmpty() ? DEFAULT_PORT : port(rest, text));
            }
            int colon = text.lastIndexOf(':');
            boolean isBareIpv6 = colon >= 0 && text.indexOf(':') != colon;
            if (colon < 0 || isBareIpv6) {
                return new SegmentName(text, DEFAULT_PORT);
            }
            return new SegmentName(text.substring(0, colon), port(text.substring(colon), text));
        } catch (IllegalArgumentException e) {
            throw new WireException("'" + text + "' is not a segment name (host:port)", e);
        }
    }

    private static int port(String colonAndPort, String text) throws WireException {
        if (!colonAndPort.startsWith(":")) {
            throw new WireException("'" + text + "' is not a segment name (host:port)");
        }
        return Integer.parseInt(colonAndPort.substring(1));
    }

    @Override
    public String toString() {
        return host.indexOf(':') >= 0 ? "[" + host + "]:" + port : host + ":" + port;
    }
}
