package dev.tandem.node.http;

import dev.tandem.api.openai.ApiError;
import dev.tandem.engine.request.HandoffRole;
import java.net.InetAddress;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.UnknownHostException;
import java.util.List;
import java.util.Locale;

/**
 * Which metaservers this node calls. The URL comes with a request, so that any client could make a node call any address. Allowed are URLs
 * that a gateway has sealed with the cluster's secret, those of {@code TANDEM_METASERVERS}, and, for gateways that cannot seal (without a
 * secret, or from an address of the list of foreign peers), the address that the request itself came from. The path is always {@value
 * #PATH}, without a query. Immutable.
 */
final class MetaserverAllowList {
    /** Where metaservers are, ours and the example proxy's. */
    static final String PATH = "/v1/metaserver";

    private static final String FIELD = "kv_transfer_params";

    private final List<String> configured;
    private final HandoffPeers peers;

    MetaserverAllowList(HandoffPeers peers) {
        this.peers = peers;
        this.configured = peers.metaservers().stream()
                .map(host -> host.strip().toLowerCase(Locale.ROOT))
                .filter(host -> !host.isEmpty())
                .toList();
    }

    /**
     * The URL to call: where the host is a name that was neither sealed nor configured, the address that it had when it was checked stands
     * in its place, so that it cannot become another one. With {@code https} the name stays, since the certificate is for it.
     *
     * @param peerAddress where the request came from
     * @throws ApiError 400 naming the URL and what is allowed
     */
    String require(HandoffRole.Receive asked, String peerAddress) {
        String url = asked.metaserver();
        URI parsed = parse(url);
        boolean hasSecret = peers.trust().secret().isSet();
        if ((hasSecret && asked.isSealedBy(peers.trust().secret())) || isConfigured(parsed)) {
            return url;
        }
        try {
            InetAddress peer = InetAddress.getByName(peerAddress);
            if (hasSecret && !peers.trust().foreign().contains(peer)) {
                throw refused(url, "it has no seal of the cluster secret, and is not in TANDEM_METASERVERS");
            }
            for (InetAddress address : peers.addresses(bare(parsed.getHost()))) {
                if (isOf(address, peer) && !peers.isOwnService(address, port(parsed))) {
                    return isSecure(parsed) ? url : withHost(parsed, address.getHostAddress());
                }
            }
        } catch (UnknownHostException e) {
            throw refused(url, "its host is unknown");
        }
        throw refused(
                url,
                "allowed are the address that the request came from (" + peerAddress
                        + "), no port of this node's own, and TANDEM_METASERVERS");
    }

    private static String bare(String host) {
        return host.startsWith("[") ? host.substring(1, host.length() - 1) : host;
    }

    /** A gateway of this machine may listen at one loopback address and call from another. */
    private static boolean isOf(InetAddress address, InetAddress peer) {
        return address.equals(peer) || (address.isLoopbackAddress() && peer.isLoopbackAddress());
    }

    private boolean isConfigured(URI url) {
        String host = url.getHost().toLowerCase(Locale.ROOT);
        return configured.contains(host) || configured.contains(host + ":" + port(url));
    }

    private static int port(URI url) {
        int usual = isSecure(url) ? 443 : 80;
        return url.getPort() < 0 ? usual : url.getPort();
    }

    private static boolean isSecure(URI url) {
        return "https".equalsIgnoreCase(url.getScheme());
    }

    private static URI parse(String url) {
        try {
            URI parsed = new URI(url);
            boolean isHttp = "http".equalsIgnoreCase(parsed.getScheme()) || isSecure(parsed);
            boolean isPlain = parsed.getRawUserInfo() == null
                    && parsed.getRawQuery() == null
                    && parsed.getRawFragment() == null
                    && PATH.equals(parsed.getRawPath());
            if (!isHttp || parsed.getHost() == null || !isPlain || parsed.getPort() > 65_535) {
                throw refused(url, "it must be http[s]://HOST:PORT" + PATH);
            }
            return parsed;
        } catch (URISyntaxException e) {
            throw refused(url, "it is not a URL");
        }
    }

    private static String withHost(URI url, String address) {
        String host = address.indexOf(':') >= 0 ? "[" + address + "]" : address;
        return "http://" + host + ":" + port(url) + PATH;
    }

    private static ApiError refused(String url, String why) {
        return ApiError.badRequest("kv_transfer_params.metaserver " + url + " is refused: " + why, FIELD);
    }
}
