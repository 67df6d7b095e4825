package dev.tandem.node;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The variables that vLLM, vllm-ascend and the deployment guides set, as text: {@code +} acts, {@code .} has no effect, and the words
 * behind it finish the sentence "known, no effect, because …". Facts only.
 */
final class EnvironmentList {
    private static final String WORDS = """
            + HCCL_IF_IP: address that peers are told; one of this machine's
            + VLLM_HOST_IP: the same, when HCCL_IF_IP is not set
            + GLOO_SOCKET_IFNAME: network interfaces, by name; they must exist
            + TP_SOCKET_IFNAME: network interfaces, by name; they must exist
            + HCCL_SOCKET_IFNAME: network interfaces, by the beginning of their names, =NAME exactly, ^NAME not; one must be left
            + OMP_NUM_THREADS: most kernel threads of a rank
            + VLLM_CPU_KVCACHE_SPACE: KV memory, GiB, when --kv-cache-memory-bytes is not given
            + VLLM_ALLOW_LONG_MAX_MODEL_LEN: 1: --max-model-len may exceed the checkpoint's
            + VLLM_API_KEY: key that requests must carry, when neither --api-key nor --api-key-file is given
            + VLLM_NIXL_ABORT_REQUEST_TIMEOUT: seconds that a prefill node keeps lent blocks, and that a push may stand still (default 120)
            + VLLM_MOONCAKE_ABORT_REQUEST_TIMEOUT: the same; wins over the former
            + ASCEND_TRANSFER_TIMEOUT: milliseconds that a read of KV may take, or the rest of a push (default 33000)
            + DISAGGREGATED_PREFILL_RANK_TABLE_PATH: LLMDataDistCMgrConnector's rank table, the same file on all nodes; that connector needs it
            + VLLM_ASCEND_LLMDD_RPC_IP: address that its side channel binds (default: the one that peers are told)
            + VLLM_ASCEND_LLMDD_RPC_PORT: first port of its side channel on this node (default 5557)
            + ASCEND_RT_VISIBLE_DEVICES: its devices, of those that the rank table has for this node (default: all)
            + TANDEM_CLUSTER_TOKEN: secret that all processes of a cluster share, at least 16 characters (default: none)
            + TANDEM_CLUSTER_TOKEN_FILE: file with that secret, or two on lines of their own; read again when it changes (default: none)
            + TANDEM_FOREIGN_PEERS: addresses and blocks of engines that are not Tandem's and need no secret (default: none)
            + TANDEM_METASERVERS: HOST or HOST:PORT of metaservers that a decode node calls, beside its own gateway's (default: none)
            + TANDEM_WARM_UP: milliseconds that a node runs its kernels before it is ready, so that the JIT compiler has seen them (default 2000, 0: none)
            + TANDEM_TRANSFER_PACE: most bytes of KV a second that this node sends, to measure with a slower link (default: no bound)
            . VLLM_USE_V1: there is one engine only
            . VLLM_USE_MODELSCOPE: nothing is downloaded
            . VLLM_LOGGING_LEVEL: logging follows logback.xml
            . VLLM_CONFIGURE_LOGGING: logging follows logback.xml
            . VLLM_LOGGING_CONFIG_PATH: logging follows logback.xml
            . VLLM_WORKER_MULTIPROC_METHOD: ranks are threads of one process
            . VLLM_ENABLE_V1_MULTIPROCESSING: ranks are threads of one process
            . VLLM_CPU_OMP_THREADS_BIND: kernel threads are not bound to cores
            . VLLM_RPC_TIMEOUT: HTTP and engine are one process
            . VLLM_RPC_BASE_PATH: HTTP and engine are one process
            . VLLM_ENGINE_READY_TIMEOUT_S: --join-timeout says how long nodes wait for each other
            . VLLM_ENGINE_ITERATION_TIMEOUT_S: --request-timeout bounds each request
            . VLLM_HTTP_TIMEOUT_KEEP_ALIVE: connections stay open while they are used
            . VLLM_PORT: ports follow from --port, --data-parallel-rpc-port and kv_port
            . VLLM_DP_SIZE: --data-parallel-size says it
            . VLLM_DP_RANK: --data-parallel-rank says it
            . VLLM_DP_RANK_LOCAL: --data-parallel-rank says it
            . VLLM_DP_MASTER_IP: --data-parallel-address says it
            . VLLM_DP_MASTER_PORT: --data-parallel-rpc-port says it
            . VLLM_NIXL_SIDE_CHANNEL_HOST: HCCL_IF_IP, kv_ip or --host say it
            . VLLM_NIXL_SIDE_CHANNEL_PORT: kv_port says it
            . VLLM_MOONCAKE_BOOTSTRAP_PORT: there is no bootstrap server; kv_port is the side channel
            . VLLM_ATTENTION_BACKEND: attention has one form only
            . VLLM_ALL2ALL_BACKEND: rows reach experts by memory and by TCP
            . VLLM_TORCH_PROFILER_DIR: there is no PyTorch
            . VLLM_NO_USAGE_STATS: nothing is ever reported
            . VLLM_SERVER_DEV_MODE: there are no such endpoints
            . VLLM_VERSION: this is not vLLM
            . VLLM_ASCEND_ENABLE_FLASHCOMM: there is no Ascend device
            . VLLM_ASCEND_ENABLE_FLASHCOMM1: there is no Ascend device
            . VLLM_ASCEND_ENABLE_MLAPO: there is no Ascend device
            . VLLM_ASCEND_ENABLE_TOPK_OPTIMIZE: there is no Ascend device
            . VLLM_ASCEND_ENABLE_PREFETCH_MLP: there is no Ascend device
            . VLLM_ASCEND_ENABLE_DENSE_OPTIMIZE: there is no Ascend device
            . VLLM_ASCEND_ENABLE_NZ: there is no Ascend device
            . HCCL_BUFFSIZE: ranks exchange rows without HCCL's buffers
            . HCCL_CONNECT_TIMEOUT: --join-timeout says how long nodes wait for each other
            . HCCL_EXEC_TIMEOUT: ranks do not run in lockstep through HCCL
            . HCCL_RDMA_TIMEOUT: ASCEND_TRANSFER_TIMEOUT says how long a read may take
            . HCCL_RDMA_RETRY_CNT: ASCEND_TRANSFER_TIMEOUT says how long a read may take
            . HCCL_OP_EXPANSION_MODE: there is no Ascend device
            . HCCL_INTRA_ROCE_ENABLE: there is no Ascend device
            . HCCL_INTRA_PCIE_ENABLE: there is no Ascend device
            . OMP_PROC_BIND: kernel threads are not bound to cores
            . ASCEND_AGGREGATE_ENABLE: spans that touch are always merged
            . ASCEND_TRANSPORT_PRINT: transfers are counted at /metrics
            . ASCEND_A3_ENABLE: there is no Ascend device
            . ASCEND_CONNECT_TIMEOUT: ASCEND_TRANSFER_TIMEOUT bounds connecting and reading
            . ACL_OP_INIT_MODE: there is no Ascend device
            . PHYSICAL_DEVICES: there is no Ascend device
            . TASK_QUEUE_ENABLE: there is no Ascend device
            . PYTORCH_NPU_ALLOC_CONF: there is no Ascend device
            """;

    private static final Map<String, String> ACTING = read('+');
    private static final Map<String, String> WITHOUT_EFFECT = read('.');

    private EnvironmentList() {}

    private static Map<String, String> read(char mark) {
        var table = new LinkedHashMap<String, String>();
        for (String line : WORDS.lines().toList()) {
            int colon = line.indexOf(": ");
            if (line.charAt(0) == mark) {
                table.put(line.substring(2, colon), line.substring(colon + 2));
            }
        }
        return table;
    }

    /** Why a variable has no effect; empty when it has one or is not known. */
    static Optional<String> reason(String name) {
        return Optional.ofNullable(WITHOUT_EFFECT.get(name));
    }

    static boolean isKnown(String name) {
        return ACTING.containsKey(name) || WITHOUT_EFFECT.containsKey(name);
    }

    /** Variables that act. */
    static List<String> acting() {
        return List.copyOf(ACTING.keySet());
    }

    /** All variables. */
    static List<String> all() {
        return java.util.stream.Stream.concat(ACTING.keySet().stream(), WITHOUT_EFFECT.keySet().stream())
                .toList();
    }

    static String help() {
        var text = new StringBuilder("Environment:\n");
        ACTING.forEach((name, help) -> text.append(String.format("  %-38s %s%n", name, help)));
        return text.toString();
    }
}
