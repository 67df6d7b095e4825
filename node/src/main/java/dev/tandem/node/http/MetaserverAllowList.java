package dev.tandem.node.http;

import dev.tandem.api.openai.ApiError;
import java.net.InetAddress;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.UnknownHostException;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * Which metaservers this node calls. The URL comes with a request, so that any client could make a node call any address: allowed are the
 * address that the request itself came from (the gateway that wants the answer), this machine, and the hosts that {@code
 * TANDEM_METASERVERS} names. Immutable.
 */
final class MetaserverAllowList {
    private static final String FIELD = "kv_transfer_params";

    private final List<String> allowedHosts;

    /** @param allowedHosts names or addresses, without ports */
    MetaserverAllowList(List<String> allowedHosts) {
        this.allowedHosts = allowedHosts.stream()
                .map(host -> host.strip().toLowerCase(Locale.ROOT))
                .filter(host -> !host.isEmpty())
                .toList();
    }

    /**
     * The URL to call: where the host is a name that was not configured, the address that it had when it was checked stands in its place,
     * so that it cannot become another one. With {@code https} the name stays, since the certificate is for it: whoever is called instead
     * would have to show that certificate.
     *
     * @param peerAddress where the request came from
     * @throws ApiError 400 naming the URL and what is allowed
     */
    String require(String url, String peerAddress) {
        URI parsed = parse(url);
        String host = parsed.getHost().toLowerCase(Locale.ROOT);
        if (allowedHosts.contains(host)) {
            return url;
        }
        try {
            for (InetAddress address : InetAddress.getAllByName(host)) {
                boolean isPeer = Arrays.equals(
                        address.getAddress(), InetAddress.getByName(peerAddress).getAddress());
                if (isPeer || address.isLoopbackAddress()) {
                    return isSecure(parsed) ? url : withHost(parsed, address.getHostAddress());
                }
            }
        } catch (UnknownHostException e) {
            throw refused(url, "its host is unknown");
        }
        throw refused(
                url,
                "allowed are the address that the request came from (" + peerAddress
                        + "), this machine, and the hosts of TANDEM_METASERVERS");
    }

    private static URI parse(String url) {
        try {
            URI parsed = new URI(url);
            boolean isHttp = "http".equalsIgnoreCase(parsed.getScheme()) || isSecure(parsed);
            if (!isHttp || parsed.getHost() == null || parsed.getUserInfo() != null) {
                throw refused(url, "it must be http[s]://HOST:PORT/PATH");
            }
            return parsed;
        } catch (URISyntaxException e) {
            throw refused(url, "it is not a URL");
        }
    }

    private static boolean isSecure(URI url) {
        return "https".equalsIgnoreCase(url.getScheme());
    }

    private static String withHost(URI url, String address) {
        String host = address.indexOf(':') >= 0 ? "[" + address + "]" : address;
        String port = url.getPort() < 0 ? "" : ":" + url.getPort();
        String query = url.getRawQuery() == null ? "" : "?" + url.getRawQuery();
        return "http://" + host + port + (url.getRawPath().isEmpty() ? "/" : url.getRawPath()) + query;
    }

    private static ApiError refused(String url, String why) {
        return ApiError.badRequest("kv_transfer_params.metaserver " + url + " is refused: " + why, FIELD);
    }
}
