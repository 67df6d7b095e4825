package dev.tandem.node.flags;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

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
        PULL,
        /** {@code MooncakeLayerwiseConnector}: the prefill node writes each layer while it computes the next. */
        LAYERWISE
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

    private static final int DEFAULT_KV_PORT = 14_579;
    private static final Set<String> KEYS = Set.of(
            "kv_connector",
            "kv_role",
            "kv_port",
            "engine_id",
            "kv_ip",
            "kv_connector_module_path",
            "kv_connector_extra_config",
            "kv_load_failure_policy",
            "kv_buffer_device",
            "kv_buffer_size",
            "kv_rank",
            "kv_parallel_size");
    private static final Map<String, Connector> CONNECTORS = Map.of(
            "MooncakeConnector", Connector.PULL,
            "MooncakeConnectorV1", Connector.PULL,
            "MooncakeLayerwiseConnector", Connector.LAYERWISE);
    private static final Set<String> LATER_CONNECTORS =
            Set.of("LLMDataDistCMgrConnector", "NixlConnector", "MultiConnector", "MooncakeConnectorStoreV1");

    public String engineId() {
        return side.engineId;
    }

    public int kvPort() {
        return side.kvPort;
    }

    public Optional<String> kvIp() {
        return side.kvIp;
    }

    /**
     * Reads the JSON object of the flag.
     *
     * @param parallel sizes of this side, which the extra config must not contradict
     * @param notes takes the keys that were accepted and have no effect, each with the reason
     * @throws FlagException with all problems
     */
    public static KvTransferConfig read(ObjectNode json, Parallel parallel, List<String> notes) {
        var problems = new ArrayList<String>();
        for (String key : json.propertyNames()) {
            if (!KEYS.contains(key)) {
                problems.add("kv-transfer-config: unknown key " + key + "; the nearest is " + Nearest.of(key, KEYS));
            }
        }
        Connector connector = connector(json, problems);
        Role role = role(json, problems);
        int kvPort = port(json, problems);
        String engineId = json.path("engine_id").asString("");
        if (engineId.isEmpty()) {
            engineId = UUID.randomUUID().toString();
        }
        JsonNode extra = json.path("kv_connector_extra_config");
        Optional<Sizes> prefill = sizes(extra, "prefill", problems);
        Optional<Sizes> decode = sizes(extra, "decode", problems);
        Optional<Sizes> own = role == Role.KV_CONSUMER ? decode : prefill;
        own.ifPresent(sizes -> refuseOtherSizes(sizes, role, parallel, problems));
        noteModulePath(json, problems, notes);
        noteWithoutEffect(json, extra, notes);
        FailurePolicy policy = failurePolicy(json, problems);
        if (!problems.isEmpty()) {
            throw new FlagException(problems);
        }
        Optional<String> ip =
                json.path("kv_ip").isString() ? Optional.of(json.path("kv_ip").stringValue()) : Optional.empty();
        return new KvTransferConfig(
                connector, role, new Side(engineId, kvPort, ip), new Expected(prefill, decode), policy);
    }

    private static Connector connector(ObjectNode json, List<String> problems) {
        String name = json.path("kv_connector").asString("");
        Connector connector = CONNECTORS.get(name);
        if (connector == null) {
            String reason = LATER_CONNECTORS.contains(name)
                    ? " is known, but this version does not carry it out"
                    : " is no connector";
            problems.add("kv-transfer-config: kv_connector " + (name.isEmpty() ? "(absent)" : name) + reason
                    + "; use MooncakeConnector, MooncakeConnectorV1 or MooncakeLayerwiseConnector");
            return Connector.PULL;
        }
        return connector;
    }

    private static void refuseOtherSizes(Sizes sizes, Role role, Parallel parallel, List<String> problems) {
        if (sizes.tp != parallel.tensor() || sizes.dp != parallel.data().size()) {
            problems.add("kv-transfer-config: " + (role == Role.KV_CONSUMER ? "decode" : "prefill") + " has dp_size "
                    + sizes.dp + " and tp_size " + sizes.tp + ", which contradict --data-parallel-size "
                    + parallel.data().size() + " and --tensor-parallel-size " + parallel.tensor() + " of this node");
        }
    }

    private static Role role(ObjectNode json, List<String> problems) {
        String name = json.path("kv_role").asString("");
        for (Role role : Role.values()) {
            if (role.name().toLowerCase(java.util.Locale.ROOT).equals(name)) {
                return role;
            }
        }
        problems.add("kv-transfer-config: kv_role must be kv_producer, kv_consumer or kv_both, not "
                + (name.isEmpty() ? "absent" : name));
        return Role.KV_BOTH;
    }

    private static int port(ObjectNode json, List<String> problems) {
        JsonNode node = json.path("kv_port");
        if (node.isMissingNode() || node.isNull()) {
            return DEFAULT_KV_PORT;
        }
        Optional<Long> port = WholeNumber.parse(node.asString(""));
        if (port.isEmpty() || port.get() < 1 || port.get() > 65_535) {
            problems.add("kv-transfer-config: kv_port must be a port in [1, 65535], not " + node);
            return DEFAULT_KV_PORT;
        }
        return port.get().intValue();
    }

    private static Optional<Sizes> sizes(JsonNode extra, String side, List<String> problems) {
        JsonNode node = extra.path(side);
        if (node.isMissingNode()) {
            return Optional.empty();
        }
        int dp = node.path("dp_size").asInt(1);
        int tp = node.path("tp_size").asInt(1);
        if (dp < 1 || tp < 1) {
            problems.add("kv-transfer-config: " + side + " has dp_size " + dp + " and tp_size " + tp
                    + "; both must be at least 1");
            return Optional.empty();
        }
        return Optional.of(new Sizes(dp, tp));
    }

    private static void noteModulePath(ObjectNode json, List<String> problems, List<String> notes) {
        String path = json.path("kv_connector_module_path").asString("");
        if (path.isEmpty()) {
            return;
        }
        String name = json.path("kv_connector").asString("");
        boolean isLayerwise = CONNECTORS.get(name) == Connector.LAYERWISE;
        if (path.contains("layerwise") != isLayerwise) {
            problems.add("kv-transfer-config: kv_connector_module_path " + path + " contradicts kv_connector " + name);
            return;
        }
        notes.add("kv_connector_module_path: no Python is loaded");
    }

    private static void noteWithoutEffect(ObjectNode json, JsonNode extra, List<String> notes) {
        for (String key : List.of("kv_buffer_device", "kv_buffer_size", "kv_rank", "kv_parallel_size")) {
            if (json.has(key)) {
                notes.add(key + ": has no effect with this connector");
            }
        }
        for (String key : extra.propertyNames()) {
            if (!key.equals("prefill") && !key.equals("decode")) {
                notes.add("kv_connector_extra_config." + key + ": has no effect here");
            }
        }
    }

    private static FailurePolicy failurePolicy(ObjectNode json, List<String> problems) {
        String name = json.path("kv_load_failure_policy").asString("recompute");
        return switch (name) {
            case "recompute" -> FailurePolicy.RECOMPUTE;
            case "fail" -> FailurePolicy.FAIL;
            default -> {
                problems.add("kv-transfer-config: kv_load_failure_policy must be recompute or fail, not " + name);
                yield FailurePolicy.RECOMPUTE;
            }
        };
    }
}
