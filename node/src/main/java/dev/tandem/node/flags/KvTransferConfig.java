package dev.tandem.node.flags;

import java.util.ArrayList;
import java.util.List;
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
 * @param kvPort {@code kv_port}, a number or a string of digits
 * @param engineId {@code engine_id}; a random one when absent, as in vLLM
 * @param kvIp {@code kv_ip}, address to announce
 * @param prefill sizes of the prefill side in the extra config
 * @param decode sizes of the decode side in the extra config
 * @param failurePolicy {@code kv_load_failure_policy}
 * @param notes keys that were accepted and have no effect, each with the reason
 */
public record KvTransferConfig(
        Connector connector,
        Role role,
        int kvPort,
        String engineId,
        Optional<String> kvIp,
        Optional<Sizes> prefill,
        Optional<Sizes> decode,
        FailurePolicy failurePolicy,
        List<String> notes) {

    /** Connectors that this version carries out. */
    public enum Connector {
        /** Also named {@code MooncakeConnectorV1}: the decode node pulls. */
        MOONCAKE
    }

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
    private static final Set<String> PULL_CONNECTORS = Set.of("MooncakeConnector", "MooncakeConnectorV1");
    private static final Set<String> LATER_CONNECTORS = Set.of(
            "MooncakeLayerwiseConnector",
            "LLMDataDistCMgrConnector",
            "NixlConnector",
            "MultiConnector",
            "MooncakeConnectorStoreV1");

    public KvTransferConfig {
        notes = List.copyOf(notes);
    }

    /**
     * Reads the JSON object of the flag.
     *
     * @throws FlagException with all problems
     */
    public static KvTransferConfig read(ObjectNode json) {
        var problems = new ArrayList<String>();
        var notes = new ArrayList<String>();
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
        noteModulePath(json, problems, notes);
        noteWithoutEffect(json, extra, notes);
        FailurePolicy policy = failurePolicy(json, problems);
        if (!problems.isEmpty()) {
            throw new FlagException(problems);
        }
        Optional<String> ip =
                json.path("kv_ip").isString() ? Optional.of(json.path("kv_ip").stringValue()) : Optional.empty();
        return new KvTransferConfig(connector, role, kvPort, engineId, ip, prefill, decode, policy, notes);
    }

    private static Connector connector(ObjectNode json, List<String> problems) {
        String name = json.path("kv_connector").asString("");
        if (!PULL_CONNECTORS.contains(name)) {
            String reason = LATER_CONNECTORS.contains(name)
                    ? " is known, but this version does not carry it out"
                    : " is no connector";
            problems.add("kv-transfer-config: kv_connector " + (name.isEmpty() ? "(absent)" : name) + reason
                    + "; use MooncakeConnector or MooncakeConnectorV1");
        }
        return Connector.MOONCAKE;
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
        if (path.contains("layerwise")) {
            problems.add("kv-transfer-config: kv_connector_module_path " + path + " contradicts kv_connector "
                    + json.path("kv_connector").asString(""));
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
