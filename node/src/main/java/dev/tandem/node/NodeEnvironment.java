package dev.tandem.node;

import dev.tandem.api.access.ApiKeys;
import dev.tandem.engine.Engine;
import dev.tandem.node.flags.FlagException;
import dev.tandem.node.flags.Nearest;
import dev.tandem.node.flags.PortPlan;
import dev.tandem.node.flags.TrustSettings;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * The environment variables that act on a node, read once at start.
 *
 * @param memory bounds of KV memory and lengths
 * @param kernelThreads {@code OMP_NUM_THREADS}: most threads of a rank
 * @param warmUp {@code TANDEM_WARM_UP}, milliseconds, default 2,000: how long the first engine makes its kernels hot before it is healthy; may be 0
 * @param network who this node is to others
 * @param handoff deadlines and bounds of prefill/decode exchanges
 * @param notes sentences on variables that are known and have no effect, and on those that look like a typing error
 */
public record NodeEnvironment(
        Memory memory,
        Optional<Integer> kernelThreads,
        Duration warmUp,
        Network network,
        Handoff handoff,
        List<String> notes) {

    /**
     * Bounds of KV memory and lengths.
     *
     * @param kvCacheSpaceBytes {@code VLLM_CPU_KVCACHE_SPACE} (GiB there)
     * @param allowsLongModels {@code VLLM_ALLOW_LONG_MAX_MODEL_LEN=1}
     */
    public record Memory(Optional<Long> kvCacheSpaceBytes, boolean allowsLongModels) {}

    /**
     * Who this node is to others.
     *
     * @param announcedHost {@code HCCL_IF_IP}, else {@code VLLM_HOST_IP}: the address that peers are told
     * @param apiKey {@code VLLM_API_KEY}
     * @param trust whom this node lets in, as variables say
     * @param dataDist what only LLMDataDistCMgrConnector uses
     */
    public record Network(
            Optional<String> announcedHost, Optional<String> apiKey, TrustSettings trust, DataDist dataDist) {
        /** {@code DISAGGREGATED_PREFILL_RANK_TABLE_PATH}. */
        public Optional<String> rankTable() {
            return dataDist.rankTable;
        }

        /** Without the secrets: records are printed. */
        @Override
        public String toString() {
            return "Network[announcedHost=" + announcedHost + "]";
        }
    }

    /**
     * What only LLMDataDistCMgrConnector uses.
     *
     * @param rankTable {@code DISAGGREGATED_PREFILL_RANK_TABLE_PATH}
     * @param host {@code VLLM_ASCEND_LLMDD_RPC_IP}: what the side channel binds; empty: the announced address
     * @param port {@code VLLM_ASCEND_LLMDD_RPC_PORT}
     * @param devices {@code ASCEND_RT_VISIBLE_DEVICES}: which of this node's devices in the rank table it stands for; empty: all
     */
    public record DataDist(Optional<String> rankTable, Optional<String> host, int port, List<Integer> devices) {
        public DataDist {
            devices = List.copyOf(devices);
        }
    }

    /**
     * Deadlines and bounds of prefill/decode exchanges.
     *
     * @param lease {@code VLLM_MOONCAKE_ABORT_REQUEST_TIMEOUT} or {@code VLLM_NIXL_ABORT_REQUEST_TIMEOUT}, seconds, default 120: how long
     *     a prefill node keeps lent blocks, and a decode node waits for a push in which nothing moves
     * @param fetch {@code ASCEND_TRANSFER_TIMEOUT}, milliseconds, default 33,000: how long a read may take, and what is left of a push when
     *     the prompt is computed
     * @param metaservers {@code TANDEM_METASERVERS}: {@code HOST} or {@code HOST:PORT} of metaservers that a decode node calls, beside its gateway's
     * @param paceBytesPerSecond {@code TANDEM_TRANSFER_PACE}: most KV that this node sends to peers; to measure with a slower link
     */
    public record Handoff(Duration lease, Duration fetch, List<String> metaservers, Optional<Long> paceBytesPerSecond) {
        public Handoff {
            metaservers = List.copyOf(metaservers);
        }
    }

    private static final Duration DEFAULT_LEASE = Duration.ofMinutes(2);
    private static final Duration DEFAULT_FETCH = Duration.ofSeconds(33);
    private static final int CLOSE_NAME = 2;
    private static final int MAX_PORT = 65_535;
    static final List<String> WILDCARDS = List.of("0.0.0.0", "::", "");
    private static final List<String> NAMED_INTERFACES = List.of("GLOO_SOCKET_IFNAME", "TP_SOCKET_IFNAME");

    public NodeEnvironment {
        notes = List.copyOf(notes);
    }

    public Optional<Long> kvCacheSpaceBytes() {
        return memory.kvCacheSpaceBytes;
    }

    public boolean allowsLongModels() {
        return memory.allowsLongModels;
    }

    public Optional<String> announcedHost() {
        return network.announcedHost;
    }

    /** The variables that act, for the help of the command line. */
    public static String help() {
        return EnvironmentList.help();
    }

    /**
     * Reads a process's environment on this machine.
     *
     * @throws FlagException with all problems
     */
    public static NodeEnvironment read(Map<String, String> variables) {
        return read(variables, Machine.here());
    }

    /**
     * Reads the environment of a process that is to run on another machine, whose addresses and interfaces cannot be looked at.
     *
     * @throws FlagException with all problems
     */
    public static NodeEnvironment readForElsewhere(Map<String, String> variables) {
        return read(variables, Optional.empty());
    }

    /** Whether an address is one of this machine's. */
    public static boolean isHere(String address) {
        return Machine.here().hasAddress(address);
    }

    static NodeEnvironment read(Map<String, String> variables, Machine machine) {
        return read(variables, Optional.of(machine));
    }

    private static NodeEnvironment read(Map<String, String> variables, Optional<Machine> machine) {
        var problems = new ArrayList<String>();
        Optional<Long> lease = number(variables, "VLLM_MOONCAKE_ABORT_REQUEST_TIMEOUT", problems)
                .or(() -> number(variables, "VLLM_NIXL_ABORT_REQUEST_TIMEOUT", problems));
        text(variables, "VLLM_API_KEY")
                .filter(key -> !ApiKeys.isSendable(key))
                .ifPresent(key -> problems.add("VLLM_API_KEY has other than visible ASCII characters"));
        Optional<Long> fetch = number(variables, "ASCEND_TRANSFER_TIMEOUT", problems);
        machine.ifPresent(here -> requireInterfaces(variables, here, problems));
        var environment = new NodeEnvironment(
                new Memory(
                        number(variables, "VLLM_CPU_KVCACHE_SPACE", problems).map(gib -> gib << 30),
                        "1".equals(variables.get("VLLM_ALLOW_LONG_MAX_MODEL_LEN"))),
                number(variables, "OMP_NUM_THREADS", problems).map(Long::intValue),
                number(variables, "TANDEM_WARM_UP", 0, problems)
                        .map(Duration::ofMillis)
                        .orElse(Engine.WARM_UP),
                new Network(
                        ownAddress(variables, machine, problems),
                        text(variables, "VLLM_API_KEY"),
                        TrustSettings.of(variables, problems),
                        dataDist(variables, machine, problems)),
                new Handoff(
                        lease.map(Duration::ofSeconds).orElse(DEFAULT_LEASE),
                        fetch.map(Duration::ofMillis).orElse(DEFAULT_FETCH),
                        text(variables, "TANDEM_METASERVERS")
                                .map(hosts -> List.of(hosts.split("[,\\s]+", -1)))
                                .orElse(List.of()),
                        number(variables, "TANDEM_TRANSFER_PACE", problems)),
                notes(variables));
        if (!problems.isEmpty()) {
            throw new FlagException(problems);
        }
        return environment;
    }

    private static Optional<String> text(Map<String, String> variables, String name) {
        return Optional.ofNullable(variables.get(name)).map(String::strip).filter(text -> !text.isEmpty());
    }

    private static Optional<String> ownAddress(
            Map<String, String> variables, Optional<Machine> machine, List<String> problems) {
        for (String name : List.of("HCCL_IF_IP", "VLLM_HOST_IP")) {
            Optional<String> address = text(variables, name);
            if (address.isPresent()) {
                machine.filter(here -> !here.hasAddress(address.get()))
                        .ifPresent(here -> problems.add(notOwn(name, address.get(), here)));
                return address;
            }
        }
        return Optional.empty();
    }

    private static DataDist dataDist(Map<String, String> variables, Optional<Machine> machine, List<String> problems) {
        String ip = "VLLM_ASCEND_LLMDD_RPC_IP";
        Optional<String> host = text(variables, ip);
        machine.ifPresent(here -> host.filter(address -> !WILDCARDS.contains(address) && !here.hasAddress(address))
                .ifPresent(address -> problems.add(notOwn(ip, address, here))));
        Optional<Long> port = number(variables, PortPlan.DATA_DIST_SETTING, problems);
        port.filter(given -> given > MAX_PORT)
                .ifPresent(given ->
                        problems.add(PortPlan.DATA_DIST_SETTING + "=" + given + " is outside [1, " + MAX_PORT + "]"));
        return new DataDist(
                text(variables, "DISAGGREGATED_PREFILL_RANK_TABLE_PATH"),
                host,
                port.map(Long::intValue).orElse(PortPlan.DATA_DIST_PORT),
                devices(variables, problems));
    }

    private static List<Integer> devices(Map<String, String> variables, List<String> problems) {
        String name = "ASCEND_RT_VISIBLE_DEVICES";
        Optional<String> list = text(variables, name);
        if (list.isEmpty()) {
            return List.of();
        }
        if (!list.get().matches("\\d{1,4}(\\s*,\\s*\\d{1,4})*")) {
            problems.add(name + "=" + list.get() + " is not a list of device ids such as 0,1,2");
            return List.of();
        }
        return Arrays.stream(list.get().split("\\s*,\\s*", -1))
                .map(Integer::valueOf)
                .toList();
    }

    private static String notOwn(String name, String address, Machine machine) {
        return name + "=" + address + " is not an address of this machine; it has "
                + String.join(", ", machine.addresses()) + ", and all of 127.0.0.0/8";
    }

    private static void requireInterfaces(Map<String, String> variables, Machine machine, List<String> problems) {
        String has = "; it has " + String.join(", ", machine.interfaces());
        for (String variable : NAMED_INTERFACES) {
            text(variables, variable).ifPresent(names -> {
                for (String name : names.split(",", -1)) {
                    if (!machine.interfaces().contains(name.strip())) {
                        problems.add(variable + "=" + names + " names no network interface of this machine" + has);
                        return;
                    }
                }
            });
        }
        text(variables, "HCCL_SOCKET_IFNAME")
                .filter(rule -> machine.interfaces().stream().noneMatch(each -> allows(rule, each)))
                .ifPresent(rule -> problems.add(
                        "HCCL_SOCKET_IFNAME=" + rule + " leaves no network interface of this machine" + has));
    }

    /** Ascend's rule: beginnings of names, {@code =} whole names, {@code ^} and {@code !=} all but these. */
    private static boolean allows(String rule, String name) {
        boolean isWhole = rule.startsWith("=") || rule.startsWith("!=") || rule.startsWith("^=");
        boolean isNot = rule.startsWith("^") || rule.startsWith("!");
        boolean isNamed = Arrays.stream(rule.replaceFirst("^[!^=]+", "").split(",", -1))
                .map(String::strip)
                .anyMatch(word -> isWhole ? name.equals(word) : name.startsWith(word));
        return isNamed != isNot;
    }

    private static List<String> notes(Map<String, String> variables) {
        var notes = new ArrayList<String>();
        new TreeMap<>(variables).forEach((name, value) -> {
            Optional<String> reason = EnvironmentList.reason(name);
            if (reason.isPresent()) {
                notes.add(name + "=" + value + ": known, no effect, because " + reason.get());
            } else if (name.toLowerCase(Locale.ROOT).matches("(https?|all|ftp)_proxy") && !value.isBlank()) {
                notes.add(name + ": known, no effect, because nodes and gateway always connect directly");
            } else if (!EnvironmentList.isKnown(name)) {
                misspelling(name).ifPresent(notes::add);
            }
        });
        return notes;
    }

    /** A name that is not known and was meant for a node, or is nearly one that acts. */
    private static Optional<String> misspelling(String name) {
        boolean isOurs = name.startsWith("VLLM_") || name.startsWith("TANDEM_");
        String nearest = Nearest.of(name, isOurs ? EnvironmentList.all() : EnvironmentList.acting());
        return isOurs || Nearest.distance(name, nearest) <= CLOSE_NAME
                ? Optional.of(name + ": not known, no effect; the nearest known variable is " + nearest)
                : Optional.empty();
    }

    private static Optional<Long> number(Map<String, String> variables, String name, List<String> problems) {
        return number(variables, name, 1, problems);
    }

    private static Optional<Long> number(Map<String, String> variables, String name, int min, List<String> problems) {
        Optional<String> text = text(variables, name);
        if (text.isEmpty()) {
            return Optional.empty();
        }
        try {
            long value = Long.parseLong(text.get());
            if (value >= min && value <= 1 << 24) {
                return Optional.of(value);
            }
            problems.add(name + "=" + text.get() + " is outside [" + min + ", " + (1 << 24) + "]");
        } catch (NumberFormatException e) {
            problems.add(name + "=" + text.get() + " is not a whole number");
        }
        return Optional.empty();
    }
}
