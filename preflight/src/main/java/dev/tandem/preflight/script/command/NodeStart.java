package dev.tandem.preflight.script.command;

import dev.tandem.engine.handoff.HandoffConfig.Role;
import dev.tandem.node.NodeConfig;
import dev.tandem.node.flags.KvTransferConfig;
import dev.tandem.node.flags.Parallel;
import dev.tandem.node.flags.ServeFlags;
import dev.tandem.preflight.deployment.Hosts;
import dev.tandem.preflight.script.shell.SourceLocation;
import java.util.Optional;

/**
 * A command that starts a node, read by the node's own grammar.
 *
 * @param call the command
 * @param config what the node would be started with
 */
public record NodeStart(Call call, NodeConfig config) {
    public ServeFlags flags() {
        return config.flags();
    }

    public Parallel parallel() {
        return flags().parallel();
    }

    public Optional<KvTransferConfig> handoff() {
        return flags().kvTransfer();
    }

    public SourceLocation location() {
        return call.location();
    }

    public boolean isPrefill() {
        return handoff().filter(kv -> kv.role() != Role.CONSUMER).isPresent();
    }

    public boolean isDecode() {
        return handoff().filter(kv -> kv.role() != Role.PRODUCER).isPresent();
    }

    /** Whether peers find this node by what a ticket says, so that names and ports must be its own. */
    public boolean isFoundByTicket() {
        return handoff().isPresent() && !config.usesRankTable();
    }

    /** The address that others know this node by; empty where the script does not say. */
    public Optional<String> host() {
        return Optional.of(config.announcedHost())
                .filter(host ->
                        !Hosts.isWildcard(host) && !call.command().scene().isUnknown(host));
    }

    /** The address that HTTP binds. */
    public String bound() {
        return flags().server().host();
    }

    public int port() {
        return flags().server().port();
    }
}
