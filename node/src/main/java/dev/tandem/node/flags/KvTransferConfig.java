package dev.tandem.node.flags;

import java.util.Optional;

/**
 * {@code --kv-transfer-config}, as vLLM v0.11 and vllm-ascend name its keys.
 *
 * @param connector {@code kv_connector}
 * @param role {@code kv_role}
 * @param side who this side is to its peers
 * @param expected sizes of both sides, as the extra config says
 * @param failurePolicy {@code kv_load_failure_policy}
 */
public record KvTransferConfig(
        Connector connector, Role role, Side side, Expected expected, FailurePolicy failurePolicy) {

    /** Connectors that this version carries out. */
    public enum Connector {
        /** {@code MooncakeConnector}, {@code MooncakeConnectorV1}: the decode node reads when the prefill node has answered. */
        PULL("MooncakeConnector"),
        /** {@code MooncakeLayerwiseConnector}: the prefill node writes each layer while it computes the next. */
        LAYERWISE("MooncakeLayerwiseConnector"),
        /** {@code LLMDataDistCMgrConnector}: the decode node reads, and finds the prefill node in the rank table. */
        DATA_DIST("LLMDataDistCMgrConnector");

        private final String vllmName;

        Connector(String vllmName) {
            this.vllmName = vllmName;
        }

        /** {@code kv_connector}. */
        public String vllmName() {
            return vllmName;
        }
    }

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

    /** {@code kv_role}. */
    public enum Role {
        KV_PRODUCER,
        KV_CONSUMER,
        KV_BOTH
    }

    /** What a decode node does when a prompt's KV cannot be had. */
    public enum FailurePolicy {
        RECOMPUTE,
        FAIL
    }

    /** {@code dp_size} and {@code tp_size} of one side. */
    public record Sizes(int dp, int tp) {}

    public String engineId() {
        return side.engineId;
    }

    public int kvPort() {
        return side.kvPort;
    }

    public Optional<String> kvIp() {
        return side.kvIp;
    }
}
