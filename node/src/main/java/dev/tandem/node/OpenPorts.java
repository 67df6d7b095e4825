package dev.tandem.node;

import dev.tandem.node.flags.Parallel;
import dev.tandem.trust.PeerTrust;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** What a node without a cluster secret leaves open to other machines. */
final class OpenPorts {
    private OpenPorts() {}

    /** One line for the operator; empty when there is a secret, or nobody else can reach the node. */
    static Optional<String> warning(NodeConfig config, PeerTrust trust) {
        if (trust.secret().isSet()) {
            return Optional.empty();
        }
        var open = new ArrayList<String>();
        if (config.flags().kvTransfer().isPresent()) {
            if (isReachable(config.sideChannelHost())) {
                open.add("see and end leases at the side channel of " + config.sideChannelHost());
            }
            if (isReachable(config.announcedHost())) {
                open.add("read and write leased KV at " + config.announcedHost());
            }
        }
        ClusterMembership.joinAddress(config)
                .filter(address -> isReachable(address.getHostString()))
                .ifPresent(address -> open.add("join as a rank at " + address.getHostString() + ":" + address.getPort()
                        + " and be given prompts"));
        Parallel parallel = config.flags().parallel();
        if (parallel.hasExpertParallel() && parallel.worldRanks() > 1 && isReachable(config.announcedHost())) {
            open.add("have experts compute at " + config.announcedHost());
        }
        return open.isEmpty() ? Optional.empty() : Optional.of(sentence(open));
    }

    private static String sentence(List<String> open) {
        return "no cluster secret: whoever reaches this node can " + String.join("; ", open) + "; set "
                + PeerTrust.TOKEN + " or " + PeerTrust.TOKEN_FILE + ", see docs/security.md";
    }

    private static boolean isReachable(String host) {
        try {
            return !InetAddress.getByName(host).isLoopbackAddress();
        } catch (UnknownHostException e) {
            return true; // binding it says what is wrong
        }
    }
}
