package dev.tandem.node.flags;

import dev.tandem.engine.handoff.HandoffConfig.FailurePolicy;
import dev.tandem.engine.handoff.HandoffConfig.Role;
import dev.tandem.node.flags.KvTransferConfig.Expected;
import dev.tandem.node.flags.KvTransferConfig.Side;
import dev.tandem.node.flags.KvTransferConfig.Sizes;
import dev.tandem.transfer.TransferConfig;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** Reads the JSON of {@code --kv-transfer-config}, and compares it with the flags of this side. */
final class KvTransferReader {
    private static final String WHAT = "kv-transfer-config: ";
    private static final int DEFAULT_KV_PORT = 14_579;
    private static final String EXTRA = "kv_connector_extra_config";
    private static final Set<String> KEYS = Set.of(
            "kv_connector",
            "kv_role",
            "kv_port",
            "engine_id",
            "kv_ip",
            "kv_connector_module_path",
            EXTRA,
            "kv_load_failure_policy",
            "kv_buffer_device",
            "kv_buffer_size",
            "kv_rank",
            "kv_parallel_size",
            "enable_permute_local_kv");
    private static final Map<String, String> WITHOUT_EFFECT = Map.of(
            "kv_buffer_device", "KV lies in this process's memory",
            "kv_buffer_size", "KV moves without a buffer between",
            "kv_rank", "the connector does not use it",
            "kv_parallel_size", "the connector does not use it",
            "enable_permute_local_kv", "both sides tell each other how their KV lies");
    private static final List<String> CONNECTORS = Arrays.stream(KvConnectorName.values())
            .flatMap(connector -> connector.vllmNames().stream())
            .toList();
    private static final Set<String> OTHER_CONNECTORS = Set.of(
            "NixlConnector",
            "MultiConnector",
            "MooncakeConnectorStoreV1",
            "MooncakeHybridConnector",
            "AscendStoreConnector",
            "P2pNcclConnector",
            "SharedStorageConnector",
            "LMCacheConnectorV1",
            "OffloadingConnector");
    /** What LLMDataDistCMgrConnector takes and does not use; equal engine ids and ports on all nodes are right for it. */
    private static final Map<String, String> WITHOUT_EFFECT_IN_DATA_DIST = Map.of(
            "kv_port",
            "the side channels of LLMDataDistCMgrConnector are numbered from " + PortPlan.DATA_DIST_SETTING,
            "engine_id",
            "nodes of LLMDataDistCMgrConnector know each other by the rank table; equal ones are right");

    private static final Set<String> SIZE_KEYS =
            Set.of("dp_size", "tp_size", "pp_size", "pp_layer_partition", "pcp_size", "dcp_size");

    private final ObjectNode json;
    private final TransferConfig.Ports ports;
    private final Parallel parallel;
    private final List<String> notes;
    private final List<String> problems = new ArrayList<>();

    private KvTransferReader(ObjectNode json, TransferConfig.Ports ports, Parallel parallel, List<String> notes) {
        this.json = json;
        this.ports = ports;
        this.parallel = parallel;
        this.notes = notes;
    }

    /**
     * Reads the JSON object of the flag.
     *
     * @param ports of the transfer engine
     * @param parallel sizes of this side, which the extra config must not contradict
     * @param notes takes the keys that were accepted and have no effect, each with the reason
     * @throws FlagException with all problems
     */
    static KvTransferConfig read(ObjectNode json, TransferConfig.Ports ports, Parallel parallel, List<String> notes) {
        var reader = new KvTransferReader(json, ports, parallel, notes);
        KvTransferConfig config = reader.config();
        if (!reader.problems.isEmpty()) {
            throw new FlagException(reader.problems);
        }
        return config;
    }

    private KvTransferConfig config() {
        for (String key : json.propertyNames()) {
            if (!KEYS.contains(key)) {
                problem("unknown key " + key + "; the nearest is " + Nearest.of(key, KEYS));
            } else if (WITHOUT_EFFECT.containsKey(key)) {
                notes.add(key + ": accepted, no effect, because " + WITHOUT_EFFECT.get(key));
            }
        }
        Optional<KvConnectorName> connector = connector();
        connector.ifPresent(this::compareModulePath);
        Role role = role(connector);
        boolean isDataDist =
                connector.filter(KvConnectorName.LLM_DATA_DIST::equals).isPresent();
        Optional<String> ip = text("kv_ip");
        var side = new Side(text("engine_id").orElseGet(() -> UUID.randomUUID().toString()), port(), ip);
        Expected expected = expected(role);
        if (isDataDist) {
            for (String key : json.propertyNames()) {
                Optional.ofNullable(WITHOUT_EFFECT_IN_DATA_DIST.get(key))
                        .ifPresent(reason -> notes.add(key + ": accepted, no effect, because " + reason));
            }
        } else {
            notePorts(side.kvPort());
        }
        return new KvTransferConfig(
                connector.orElse(KvConnectorName.MOONCAKE), role, side, expected, failurePolicy(), ports);
    }

    private Optional<KvConnectorName> connector() {
        String name = text("kv_connector").orElse("(absent)");
        Optional<KvConnectorName> connector = Arrays.stream(KvConnectorName.values())
                .filter(known -> known.vllmNames().contains(name))
                .findFirst();
        if (connector.isEmpty()) {
            String reason = OTHER_CONNECTORS.contains(name)
                    ? " is known, but this version does not carry it out"
                    : " is not a connector; the nearest is " + Nearest.of(name, CONNECTORS);
            problem(
                    "kv_connector " + name + reason
                            + "; use MooncakeConnector, MooncakeConnectorV1, MooncakeLayerwiseConnector or LLMDataDistCMgrConnector");
        }
        return connector;
    }

    private void compareModulePath(KvConnectorName connector) {
        Optional<String> path = text("kv_connector_module_path");
        if (path.isEmpty()) {
            return;
        }
        String module = path.get().substring(path.get().lastIndexOf('.') + 1);
        if (module.equals(connector.module())) {
            notes.add("kv_connector_module_path: accepted, no effect, because no Python is loaded");
            return;
        }
        problem("kv_connector_module_path " + path.get() + " contradicts kv_connector "
                + text("kv_connector").orElse("") + ", which stands in " + connector.modulePath()
                + (Arrays.stream(KvConnectorName.values())
                                .map(KvConnectorName::module)
                                .anyMatch(module::equals)
                        ? "; change one of the two"
                        : "; correct it or leave it out"));
    }

    /** A node of LLMDataDistCMgrConnector stands in one list of the rank table, and plays that part. */
    private Role role(Optional<KvConnectorName> connector) {
        String name = text("kv_role").orElse("absent");
        boolean playsOne =
                connector.filter(KvConnectorName.LLM_DATA_DIST::equals).isPresent();
        for (Role role : Role.values()) {
            if (KvTransferConfig.word(role).equals(name) && !(playsOne && role == Role.BOTH)) {
                return role;
            }
        }
        problem("kv_role must be " + (playsOne ? "kv_producer or kv_consumer" : "kv_producer, kv_consumer or kv_both")
                + (playsOne ? " with LLMDataDistCMgrConnector" : "") + ", not " + name);
        return Role.BOTH;
    }

    private int port() {
        Optional<String> text = text("kv_port");
        Optional<Long> port = text.flatMap(WholeNumber::parse).filter(value -> value >= 1 && value <= 65_535);
        if (text.isPresent() && port.isEmpty()) {
            problem("kv_port must be a port in [1, 65535], not " + text.get());
        }
        return port.map(Long::intValue).orElse(DEFAULT_KV_PORT);
    }

    /** Ports beyond the last, and ports that another program on such a machine may take. */
    private void notePorts(int kvPort) {
        try {
            Parallel.Data data = parallel.data();
            new PortPlan(kvPort, parallel.tensor(), data.startRank(), data.localSize())
                    .reservation()
                    .ifPresent(notes::add);
        } catch (FlagException e) {
            problems.addAll(e.problems());
        }
    }

    private Expected expected(Role role) {
        JsonNode extra = json.path(EXTRA);
        if (!extra.isMissingNode() && !extra.isObject()) {
            problem(EXTRA + " must be a JSON object, not " + extra);
        }
        for (String key : extra.propertyNames()) {
            noteExtra(key, extra.path(key));
        }
        var expected = new Expected(sizes(extra, "prefill"), sizes(extra, "decode"));
        boolean isDecode = role == Role.CONSUMER;
        if (role != Role.BOTH) {
            (isDecode ? expected.decode() : expected.prefill())
                    .ifPresent(own -> refuseOtherSizes(own, isDecode ? "decode" : "prefill"));
        }
        refuseSizesThatDoNotDivide(expected);
        return expected;
    }

    private void noteExtra(String key, JsonNode value) {
        switch (key) {
            case "prefill", "decode" -> {}
            case "use_ascend_direct" ->
                notes.add("use_ascend_direct: accepted, no effect, because bytes travel by TCP or shared memory,"
                        + " whatever this side or the other says");
            case "tls_config" -> {
                if (value.path("ssl_enable").asString("false").equals("true")) {
                    problem(EXTRA + ".tls_config with ssl_enable true: the side channel has no TLS in this version");
                }
            }
            default ->
                notes.add(EXTRA + "." + key + ": accepted, no effect, because no such key is known; the nearest is "
                        + Nearest.of(key, Set.of("prefill", "decode", "use_ascend_direct", "tls_config")));
        }
    }

    private Optional<Sizes> sizes(JsonNode extra, String side) {
        JsonNode node = extra.path(side);
        if (node.isMissingNode()) {
            return Optional.empty();
        }
        if (!node.isObject()) {
            problem(side + " must be a JSON object with dp_size and tp_size, not " + node);
            return Optional.empty();
        }
        for (String key : node.propertyNames()) {
            if (!SIZE_KEYS.contains(key)) {
                problem(side + " has the unknown key " + key + "; the nearest is " + Nearest.of(key, SIZE_KEYS));
            }
        }
        for (String key : List.of("pp_size", "pcp_size", "dcp_size")) {
            if (size(node, side, key) > 1) {
                problem(side + " has " + key + " " + node.path(key).asString("")
                        + "; models are cut by tensor and by expert only, use 1");
            }
        }
        return Optional.of(new Sizes(size(node, side, "dp_size"), size(node, side, "tp_size")));
    }

    private int size(JsonNode node, String side, String key) {
        JsonNode value = node.path(key);
        if (value.isMissingNode()) {
            return 1;
        }
        Optional<Long> size = WholeNumber.parse(value.asString("")).filter(given -> given >= 1 && given <= 1 << 16);
        if (size.isEmpty()) {
            problem(side + " has " + key + " " + value + "; it must be a whole number of at least 1");
        }
        return size.orElse(1L).intValue();
    }

    private void refuseOtherSizes(Sizes own, String side) {
        if (own.tp() != parallel.tensor() || own.dp() != parallel.data().size()) {
            problem(side + " has dp_size " + own.dp() + " and tp_size " + own.tp()
                    + ", which contradict --data-parallel-size "
                    + parallel.data().size()
                    + " and --tensor-parallel-size " + parallel.tensor() + " of this node");
        }
    }

    private void refuseSizesThatDoNotDivide(Expected expected) {
        if (expected.prefill().isEmpty() || expected.decode().isEmpty()) {
            return;
        }
        int prefill = expected.prefill().get().tp();
        int decode = expected.decode().get().tp();
        if (Math.max(prefill, decode) % Math.min(prefill, decode) != 0) {
            problem("prefill has tp_size " + prefill + " and decode has tp_size " + decode
                    + "; one must divide the other, so that ranks can be matched");
        }
    }

    private FailurePolicy failurePolicy() {
        String name = text("kv_load_failure_policy").orElse("recompute");
        return switch (name) {
            case "recompute" -> FailurePolicy.RECOMPUTE;
            case "fail" -> FailurePolicy.FAIL;
            default -> {
                problem("kv_load_failure_policy must be recompute or fail, not " + name);
                yield FailurePolicy.RECOMPUTE;
            }
        };
    }

    /** A text or a number as text; empty where nothing stands. */
    private Optional<String> text(String key) {
        JsonNode node = json.path(key);
        if (node.isContainer()) {
            problem(key + " must be a single value, not " + node);
            return Optional.empty();
        }
        return Optional.of(node.asString("")).filter(text -> !text.isBlank());
    }

    private void problem(String text) {
        problems.add(WHAT + text);
    }
}
