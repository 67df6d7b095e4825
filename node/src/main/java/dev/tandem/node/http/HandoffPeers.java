package dev.tandem.node.http;

import dev.tandem.api.WorkLane;
import dev.tandem.api.openai.ApiError;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.trust.PeerTrust;
import java.io.IOException;
import java.net.InetAddress;
import java.net.NetworkInterface;
import java.net.UnknownHostException;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Whom a request's {@code kv_transfer_params} may name: they pass through hands that a node does not know. With a cluster secret that is
 * whoever has sealed them with it, and foreign peers of the list; without one any address that a peer could have.
 *
 * @param metaservers {@code TANDEM_METASERVERS}: {@code HOST} or {@code HOST:PORT} of metaservers beside the gateway's
 * @param trust the secret and the list
 * @param ownHosts addresses that this node listens at
 * @param ownPorts ports there that serve no peer's side channel
 * @param lookups threads for names that clients give: a resolver that is slow holds up nobody else there
 */
public record HandoffPeers(
        List<String> metaservers, PeerTrust trust, Set<String> ownHosts, Set<Integer> ownPorts, WorkLane lookups) {
    /** Names that may be looked up or wait for it. */
    static final int MAX_LOOKUPS = 64;

    static final int LOOKUP_THREADS = 4;

    private static final String FIELD = "kv_transfer_params";
    private static final long LOOKUP_LIMIT_SECONDS = 5;
    private static final int RETRY_AFTER_SECONDS = 2;

    /** With threads of its own. */
    public HandoffPeers(List<String> metaservers, PeerTrust trust, Set<String> ownHosts, Set<Integer> ownPorts) {
        this(
                metaservers,
                trust,
                ownHosts,
                ownPorts,
                new WorkLane("host-lookup", LOOKUP_THREADS, MAX_LOOKUPS * WorkLane.LEAST_WEIGHT));
    }

    public HandoffPeers {
        metaservers = List.copyOf(metaservers);
        ownHosts = Set.copyOf(ownHosts);
        ownPorts = Set.copyOf(ownPorts);
    }

    /**
     * The ticket to use: where nobody has sealed it, the address that its host had when it was checked stands in the host's place, so that it
     * cannot become another one.
     *
     * @throws ApiError 400 naming the field, when this node must not turn to where the ticket says
     */
    HandoffTicket require(HandoffTicket ticket) {
        if (trust.secret().isSet() && ticket.isSealedBy(trust.secret())) {
            return ticket;
        }
        InetAddress address = address(ticket.host());
        if (trust.secret().isSet() && !trust.foreign().contains(address)) {
            throw refused(
                    ticket,
                    "the ticket has no seal of the cluster secret, and the host is not in " + PeerTrust.FOREIGN_PEERS);
        }
        if (!isUnicast(address)) {
            throw refused(ticket, "no peer can have this address");
        }
        if (isOwnService(address, ticket.port())) {
            throw refused(ticket, "port " + ticket.port() + " there is this node's own and no side channel");
        }
        return new HandoffTicket(
                ticket.engineId(),
                address.getHostAddress(),
                ticket.port(),
                ticket.blockIds(),
                ticket.lastTokenId(),
                ticket.further());
    }

    /** Whether it is a service of this node that nobody may make it call. */
    boolean isOwnService(InetAddress address, int port) {
        return ownPorts.contains(port) && ownHosts.stream().anyMatch(own -> isReachedAt(own, address));
    }

    /** Whether what listens at a host, which may be the wildcard, is reached at an address. */
    private static boolean isReachedAt(String own, InetAddress address) {
        try {
            InetAddress bound = InetAddress.getByName(own);
            return bound.equals(address)
                    || (bound.isAnyLocalAddress()
                            && (address.isLoopbackAddress() || NetworkInterface.getByInetAddress(address) != null));
        } catch (IOException unknown) {
            return false; // nobody can listen there
        }
    }

    private static boolean isUnicast(InetAddress address) {
        return !address.isAnyLocalAddress() && !address.isLinkLocalAddress() && !address.isMulticastAddress();
    }

    private InetAddress address(String host) {
        try {
            return addresses(host)[0];
        } catch (UnknownHostException e) {
            throw ApiError.badRequest(FIELD + ".remote_host " + host + " is refused: no such host", FIELD);
        }
    }

    /**
     * The addresses of a host that a client names, at least one.
     *
     * @throws ApiError 503 when many are being looked up, or this one takes long
     */
    InetAddress[] addresses(String host) throws UnknownHostException {
        try {
            return new InetAddress[] {InetAddress.ofLiteral(host)};
        } catch (IllegalArgumentException name) {
            return lookUp(host);
        }
    }

    private InetAddress[] lookUp(String host) throws UnknownHostException {
        Future<InetAddress[]> found = lookups.offer(WorkLane.LEAST_WEIGHT, () -> InetAddress.getAllByName(host))
                .orElseThrow(() -> ApiError.unavailable(
                        MAX_LOOKUPS + " hosts that " + FIELD + " name are being looked up", RETRY_AFTER_SECONDS));
        try {
            return found.get(LOOKUP_LIMIT_SECONDS, TimeUnit.SECONDS);
        } catch (ExecutionException e) {
            switch (e.getCause()) {
                case UnknownHostException unknown -> throw unknown;
                case null, default -> throw new IllegalStateException("looking up " + host, e.getCause());
            }
        } catch (TimeoutException e) {
            found.cancel(true);
            throw ApiError.unavailable(
                    FIELD + ": host " + host + " was not found within " + LOOKUP_LIMIT_SECONDS + " s",
                    RETRY_AFTER_SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw ApiError.unavailable(FIELD + ": the lookup of " + host + " was called off", RETRY_AFTER_SECONDS);
        }
    }

    private static ApiError refused(HandoffTicket ticket, String why) {
        return ApiError.badRequest(FIELD + ".remote_host " + ticket.host() + " is refused: " + why, FIELD);
    }
}
