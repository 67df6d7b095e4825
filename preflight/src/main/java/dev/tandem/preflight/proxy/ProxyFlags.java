package dev.tandem.preflight.proxy;

import dev.tandem.api.HttpAddress;
import dev.tandem.api.access.ServerAccess;
import dev.tandem.gateway.GatewayAccess;
import dev.tandem.gateway.GatewayConfig;
import dev.tandem.gateway.GatewayLimits;
import dev.tandem.gateway.GatewayPolicies;
import dev.tandem.gateway.LegTimeouts;
import dev.tandem.gateway.NodeLists;
import dev.tandem.gateway.PdShape;
import dev.tandem.gateway.RetrySettings;
import dev.tandem.gateway.protocol.LocalPrefillPolicy;
import dev.tandem.node.flags.AccessFlags;
import dev.tandem.node.flags.FlagArguments;
import dev.tandem.node.flags.FlagException;
import dev.tandem.node.flags.FlagTable;
import dev.tandem.node.flags.FlagTable.Habit;
import dev.tandem.node.flags.ProcessFlags;
import dev.tandem.node.flags.TrustSettings;
import dev.tandem.trust.PeerTrust;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * The command line of {@code tandem proxy}: the flags of both example proxies, and our own.
 *
 * @param process what whoever starts the process asks of it
 * @param config of the gateway
 * @param nodeWait how long to wait until one node of each role answers
 * @param notes flags that were accepted and have no effect, each with the reason
 */
public record ProxyFlags(ProcessFlags process, GatewayConfig config, Duration nodeWait, List<String> notes) {
    private static final FlagTable TABLE = FlagTable.of(Habit.ARGPARSE, """
            Gateway:
              + host text: address to bind, and no other (default 127.0.0.1)
              + port whole: port of the gateway (default 8000)
              + advertised-host text: with --layerwise: the gateway's address for decode nodes (default --host)
              + layerwise switch: the nodes run MooncakeLayerwiseConnector: decode nodes are called first
              + local-prefill text: allow | refuse: what happens when a prompt cannot be computed on a prefill node (default allow)
              + allow-client-kv-transfer-params switch: clients may send kv_transfer_params; dropped otherwise
              + api-key list: keys that clients must send as bearer, on every path but --open-paths (default: VLLM_API_KEY)
              + api-key-file text: file of more keys, hashed, a line NAME SHA256 for each; read again when it changes
              + open-paths texts: paths that need no key (default /health /ping)
              + metrics-port whole: a further port for /metrics alone, without keys; 0 for any free one (default: none)
              + ssl-keyfile text: private key, PEM without a password; read again when it changes (default: in --ssl-certfile)
              + ssl-certfile text: certificate, PEM, its issuers behind it: HTTPS for clients; read again when it changes
              + ssl-ca-certs text: CA certificates of clients, PEM; read again when it changes
              + ssl-cert-reqs whole: certificates of clients: 0 not asked for, 1 checked where shown, 2 needed (default 0)
              + max-concurrent-requests whole: requests in flight; one more gets 503 (default 4096)
              + max-connections whole: connections of clients; idle ones make room for new ones (default: by descriptors and memory)
              + event-loops whole: threads that relay (default 2)
              + workers whole: the same, by the example proxy's name
              + drain-timeout number: seconds that running answers have when the gateway is told to end (default 25)
              . log-level text: the log is set in logback's configuration

            Nodes:
              + prefiller-hosts texts: hosts of the prefill nodes; https:// in front of those that speak TLS
              + prefiller-ports texts: their ports, in the same order
              + decoder-hosts texts: hosts of the decode nodes; https:// in front of those that speak TLS
              + decoder-ports texts: their ports, in the same order
              + node-tls switch: all nodes speak TLS
              + node-ssl-ca-certs text: CA certificates of the nodes, PEM; read again when it changes (default: the Java platform's)
              + node-ssl-certfile text: certificate that nodes are shown, PEM; read again when it changes
              + node-ssl-keyfile text: its private key, PEM without a password (default: in --node-ssl-certfile)
              + node-api-key text: key that nodes are sent (default: VLLM_API_KEY; without one the client's, unless clients need keys here)
              + node-api-key-file text: file that holds that key; read again when it changes
              + silence-timeout number: seconds without an answer to /health after which a node counts as hung and its calls are given up (default 10)
              + first-byte-timeout number: seconds from a call to the first byte of its answer (default 1800)
              + inter-token-timeout number: seconds between two tokens of a stream (default 300)
              + max-retries whole: prefill nodes that are asked for one request (default 3)
              + retry-delay number: seconds before the second attempt; doubles (default 0.001)
              + node-wait number: seconds to wait at start for a node of each role (default 1800)
              . max-waiting-retries whole: a node that does not answer is probed forever
              . waiting-retry-interval number: a node that does not answer is probed several times per second, later less often

            Process:
              + ready-file text: file that is written in one go when nodes of both roles serve
              + exit-on-stdin-close switch: end when standard input does, as when the parent process has gone
              + cluster-token-file text: file with the cluster's secret, or two on lines of their own; read again when it changes (default: TANDEM_CLUSTER_TOKEN_FILE)
              + foreign-peers text: addresses and blocks, such as 10.2.0.0/16, of engines that are not Tandem's and need no secret (default: TANDEM_FOREIGN_PEERS)
            """);

    private static final String KEY_VARIABLE = "VLLM_API_KEY";
    private static final int MAX_SECONDS = 1_000_000;
    private static final int MAX_PORT = 65_535;
    private static final int MAX_CONNECTIONS = 1_000_000;
    private static final Duration DEFAULT_NODE_WAIT = Duration.ofMinutes(30);

    /** The flags of {@code proxy}. */
    public static FlagTable table() {
        return TABLE;
    }

    /** The help. */
    public static String help() {
        return "usage: tandem proxy [flags]\n" + TABLE.help();
    }

    /** Reads the arguments behind {@code tandem proxy}, of a process without environment variables on another machine: no secret is read. */
    public static ProxyFlags parse(List<String> arguments) {
        return parse(arguments, Map.of(), false);
    }

    /**
     * Reads the arguments behind {@code tandem proxy}.
     *
     * @param variables of the environment; {@code VLLM_API_KEY} and those of the cluster's secret count
     * @throws FlagException with all problems
     */
    public static ProxyFlags parse(List<String> arguments, Map<String, String> variables) {
        return parse(arguments, variables, true);
    }

    private static ProxyFlags parse(List<String> arguments, Map<String, String> variables, boolean readsSecret) {
        FlagArguments line = FlagArguments.read(TABLE, arguments);
        List<String> notes = line.notes();
        notes.addAll(AccessFlags.notes(line));
        var listen = new HttpAddress(line.text("host").orElse("127.0.0.1"), line.whole("port", 0, MAX_PORT, 8000));
        NodeLists nodes = nodes(line);
        GatewayAccess access = access(line, listen.port(), Optional.ofNullable(variables.get(KEY_VARIABLE)));
        var retry = new RetrySettings(
                line.whole("max-retries", 1, Integer.MAX_VALUE, RetrySettings.DEFAULT.maxRetries()),
                line.seconds("retry-delay", MAX_SECONDS).orElse(RetrySettings.DEFAULT.retryDelay()));
        PeerTrust trust = readsSecret ? trust(line, variables) : PeerTrust.everybody();
        GatewayPolicies policies = policies(line, trust);
        GatewayLimits limits = limits(line);
        Duration nodeWait = line.seconds("node-wait", MAX_SECONDS).orElse(DEFAULT_NODE_WAIT);
        Optional<GatewayConfig> config = Optional.empty();
        try {
            config = Optional.of(new GatewayConfig(listen, nodes, retry, policies, limits, access));
        } catch (IllegalArgumentException e) {
            String.valueOf(e.getMessage()).lines().forEach(line::problem);
        }
        line.refuseProblems();
        return new ProxyFlags(ProcessFlags.of(line), config.orElseThrow(), nodeWait, notes);
    }

    /** A port that cannot be used has been reported; the lists keep their lengths all the same. */
    private static NodeLists nodes(FlagArguments line) {
        return new NodeLists(
                hosts(line, "prefiller-hosts", NodeLists.DEFAULT.prefillHosts()),
                ports(line, "prefiller-ports", NodeLists.DEFAULT.prefillPorts()),
                hosts(line, "decoder-hosts", NodeLists.DEFAULT.decodeHosts()),
                ports(line, "decoder-ports", NodeLists.DEFAULT.decodePorts()));
    }

    private static List<String> hosts(FlagArguments line, String name, List<String> absent) {
        List<String> hosts = line.has(name) ? line.texts(name) : absent;
        return line.isOn("node-tls", false)
                ? hosts.stream()
                        .map(host -> host.startsWith(NodeLists.SECURE) ? host : NodeLists.SECURE + host)
                        .toList()
                : hosts;
    }

    /** {@code VLLM_API_KEY} is one key for clients and nodes: both sides of the gateway may have it in their environment. */
    private static GatewayAccess access(FlagArguments line, int port, Optional<String> variable) {
        Optional<String> common = variable.map(String::strip).filter(key -> !key.isEmpty());
        common.ifPresent(key -> AccessFlags.requireSendable(KEY_VARIABLE, key, line));
        line.text("node-api-key").ifPresent(key -> AccessFlags.requireSendable("--node-api-key", key, line));
        if (line.has("node-api-key") && line.has("node-api-key-file")) {
            line.problem("--node-api-key and --node-api-key-file both name the key for nodes; give one of them");
        }
        ServerAccess clients = AccessFlags.read(line);
        if (clients.tls().isEmpty() && line.has("ssl-ca-certs")) {
            line.problem("--ssl-ca-certs needs --ssl-certfile; the CA of nodes has the flag --node-ssl-ca-certs");
        }
        return new GatewayAccess(
                new ServerAccess(clients.keys().orKey(common), clients.tls()),
                line.text("node-api-key").or(() -> line.has("node-api-key-file") ? Optional.empty() : common),
                line.text("node-api-key-file").map(Path::of),
                AccessFlags.metricsPort(line, port),
                AccessFlags.files(line, "node-ssl"));
    }

    private static List<Integer> ports(FlagArguments line, String name, List<Integer> absent) {
        return line.has(name) ? line.wholes(name, 0, Integer.MAX_VALUE, absent.getFirst()) : absent;
    }

    private static GatewayPolicies policies(FlagArguments line, PeerTrust trust) {
        PdShape shape = new PdShape.PrefillFirst();
        if (line.isOn("layerwise", false)) {
            shape = new PdShape.DecodeFirst(line.text("advertised-host"));
        } else if (line.has("advertised-host")) {
            line.problem("--advertised-host is for --layerwise: without it no node calls the gateway");
        }
        String localPrefill = line.word("local-prefill", List.of("allow", "refuse"), "allow");
        return new GatewayPolicies(
                shape,
                LocalPrefillPolicy.valueOf(localPrefill.toUpperCase(Locale.ROOT)),
                line.isOn("allow-client-kv-transfer-params", false),
                line.seconds("silence-timeout", MAX_SECONDS)
                        .map(GatewayPolicies.DEFAULT.probes()::withSilence)
                        .orElse(GatewayPolicies.DEFAULT.probes()),
                trust);
    }

    private static PeerTrust trust(FlagArguments line, Map<String, String> variables) {
        var problems = new ArrayList<String>();
        TrustSettings settings = ProcessFlags.of(line).trust().orElse(TrustSettings.of(variables, problems));
        problems.forEach(line::problem);
        try {
            return settings.open();
        } catch (FlagException e) {
            e.problems().forEach(line::problem);
            return PeerTrust.everybody();
        }
    }

    private static GatewayLimits limits(FlagArguments line) {
        GatewayLimits defaults = GatewayLimits.DEFAULT;
        int workers = line.whole("workers", 1, Integer.MAX_VALUE, defaults.eventLoops());
        return new GatewayLimits(
                line.whole("event-loops", 1, Integer.MAX_VALUE, workers),
                defaults.maxBodyBytes(),
                line.whole("max-concurrent-requests", 1, Integer.MAX_VALUE, defaults.maxConcurrentRequests()),
                new LegTimeouts(
                        line.seconds("first-byte-timeout", MAX_SECONDS)
                                .orElse(defaults.legs().firstByte()),
                        line.seconds("inter-token-timeout", MAX_SECONDS)
                                .orElse(defaults.legs().interToken())),
                line.seconds("drain-timeout", MAX_SECONDS).orElse(defaults.drainTimeout()),
                line.whole("max-connections", 1, MAX_CONNECTIONS)
                        .map(most -> OptionalInt.of(most.intValue()))
                        .orElse(OptionalInt.empty()));
    }
}
