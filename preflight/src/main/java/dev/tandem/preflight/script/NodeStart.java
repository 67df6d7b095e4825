package dev.tandem.preflight.script;

import dev.tandem.engine.handoff.HandoffConfig.Role;
import dev.tandem.node.NodeConfig;
import dev.tandem.node.flags.KvTransferConfig;
import dev.tandem.node.flags.Parallel;
import dev.tandem.node.flags.ServeFlags;
import dev.tandem.preflight.shell.Place;
import java.util.Optional;
import java.util.Set;

/**
 * A command that starts a node, read by the node's own grammar.
 *
 * @param call the command
 * @param config what the node would be started with
 */
record NodeStart(Call call, NodeConfig config) {
    private static final Set<String> WILDCARDS = Set.of("0.0.0.0", "::", "");

    ServeFlags flags() {
        return config.flags();
    }

    Parallel parallel() {
        return flags().parallel();
    }

    Optional<KvTransferConfig> handoff() {
        return flags().kvTransfer();
    }

    Place place() {
        return call.place();
    }

    boolean isPrefill() {
        return handoff().filter(kv -> kv.role() != Role.CONSUMER).isPresent();
    }

    boolean isDecode() {
        return handoff().filter(kv -> kv.role() != Role.PRODUCER).isPresent();
    }

    /** Whether peers find this node by what a ticket says, so that names and ports must be its own. */
    boolean isFoundByTicket() {
        return handoff().isPresent() && !config.usesRankTable();
    }

    /** The address that others know this node by; empty where the script does not say. */
    Optional<String> host() {
        return Optional.of(config.announcedHost())
                .filter(host -> !isWildcard(host) && !call.command().scene().isUnknown(host));
    }

    /** The address that HTTP binds. */
    String bound() {
        return flags().server().host();
    }

    int port() {
        return flags().server().port();
    }

    static boolean isWildcard(String host) {
        return WILDCARDS.contains(host);
    }

    /** Every address of 127/8 and its name are of one machine. */
    static boolean isLoopback(String host) {
        return host.startsWith("127.") || host.equals("localhost") || host.equals("::1");
    }
}
