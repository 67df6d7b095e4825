package dev.tandem.node.flags;

import dev.tandem.engine.handoff.HandoffConfig.Connector;
import dev.tandem.engine.handoff.HandoffConfig.FailurePolicy;
import dev.tandem.engine.handoff.HandoffConfig.Role;
import dev.tandem.transfer.TransferConfig;
import java.util.Locale;
import java.util.Optional;

/**
 * {@code --kv-transfer-config}, as vLLM v0.11 and vllm-ascend name its keys.
 *
 * @param name {@code kv_connector}
 * @param role {@code kv_role}
 * @param side who this side is to its peers
 * @param expected sizes of both sides, as the extra config says
 * @param failurePolicy {@code kv_load_failure_policy}
 * @param ports {@code --handshake-port} and {@code --transfer-port} of the transfer engine, 0 for any free ones
 */
public record KvTransferConfig(
        KvConnectorName name,
        Role role,
        Side side,
        Expected expected,
        FailurePolicy failurePolicy,
        TransferConfig.Ports ports) {

    /**
     * Who this side is to its peers.
     *
     * @param engineId {@code engine_id}; a random one when absent, as in vLLM
     * @param kvPort {@code kv_port}, a number or a string of digits
     * @param kvIp {@code kv_ip}, address to announce
     */
    public record Side(String engineId, int kvPort, Optional<String> kvIp) {}

    /**
     * Sizes of both sides, as the extra config says.
     *
     * @param prefill of {@code kv_connector_extra_config.prefill}
     * @param decode of {@code kv_connector_extra_config.decode}
     */
    public record Expected(Optional<Sizes> prefill, Optional<Sizes> decode) {}

    /** {@code dp_size} and {@code tp_size} of one side. */
    public record Sizes(int dp, int tp) {}

    /** The value of {@code kv_role} that means a role. */
    public static String word(Role role) {
        return "kv_" + role.name().toLowerCase(Locale.ROOT);
    }

    /** How KV moves. */
    public Connector connector() {
        return name.connector();
    }

    /** Whether nodes know each other by the rank table, and not by what a ticket says. */
    public boolean usesRankTable() {
        return name == KvConnectorName.LLM_DATA_DIST;
    }

    public String engineId() {
        return side.engineId;
    }

    public int kvPort() {
        return side.kvPort;
    }

    public Optional<String> kvIp() {
        return side.kvIp;
    }

    /** Tensor-parallel size of the other side, as the extra config says; a node that plays both parts has peers like itself. */
    public int peerTpSize() {
        Optional<Sizes> peer = role == Role.PRODUCER ? expected.decode : expected.prefill;
        return peer.map(Sizes::tp).orElse(1);
    }
}
