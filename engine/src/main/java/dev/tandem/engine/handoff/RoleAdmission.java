package dev.tandem.engine.handoff;

import dev.tandem.engine.handoff.HandoffConfig.Connector;
import dev.tandem.engine.handoff.HandoffConfig.Role;
import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.EngineException.Kind;
import dev.tandem.engine.request.HandoffRole;
import java.util.Optional;

/** Which parts of an exchange a node may be asked to play: those of its {@code kv_role} and of its connector. Pure; any thread. */
public final class RoleAdmission {
    private RoleAdmission() {}

    /**
     * @param config of this node; empty when it takes part in no exchange
     * @throws EngineException INVALID naming what the request asks for and what this node runs; the message goes to the client
     */
    public static void require(Optional<HandoffConfig> config, HandoffRole role) {
        Optional<Role> kvRole = config.map(HandoffConfig::role);
        boolean mayPrefill = kvRole.isPresent() && kvRole.get() != Role.CONSUMER;
        boolean mayDecode = kvRole.isPresent() && kvRole.get() != Role.PRODUCER;
        String ofThisNode = "this node's kv_role is " + kvRole.map(Role::name).orElse("not set");
        switch (role) {
            case HandoffRole.None none -> {}
            case HandoffRole.Lend lend ->
                require(mayPrefill, "kv_transfer_params ask to keep the KV for a decode node, but " + ofThisNode);
            case HandoffRole.Fetch fetch ->
                require(mayDecode, "kv_transfer_params offer KV of a prefill node, but " + ofThisNode);
            case HandoffRole.Push push ->
                require(mayPrefill, "kv_transfer_params ask to push KV to a decode node, but " + ofThisNode);
            case HandoffRole.Receive receive ->
                require(mayDecode, "kv_transfer_params name a metaserver, but " + ofThisNode);
        }
        config.ifPresent(here -> requireConnector(here.connector(), role));
    }

    /** Both shapes look alike until bytes are to move; a node runs one of them. */
    private static void requireConnector(Connector here, HandoffRole role) {
        switch (role) {
            case HandoffRole.None none -> {}
            case HandoffRole.Lend lend -> requirePull(here);
            case HandoffRole.Fetch fetch -> requirePull(here);
            case HandoffRole.Push push -> requireLayerwise(here);
            case HandoffRole.Receive receive -> requireLayerwise(here);
        }
    }

    private static void requirePull(Connector here) {
        require(
                here == Connector.PULL,
                "kv_transfer_params are those of MooncakeConnector, but this node runs"
                        + " MooncakeLayerwiseConnector; start the gateway with --layerwise");
    }

    private static void requireLayerwise(Connector here) {
        require(
                here == Connector.LAYERWISE,
                "kv_transfer_params are those of MooncakeLayerwiseConnector, but this node runs"
                        + " MooncakeConnector; start the gateway without --layerwise");
    }

    private static void require(boolean holds, String message) {
        if (!holds) {
            throw new EngineException(Kind.INVALID, message);
        }
    }
}
