package dev.tandem.node.flags;

/**
 * The flags of vLLM v0.11's {@code serve} and ours, as text. {@link FlagTable} says how a line is read; {@code #} numbers the flags in
 * the order in which the deployment guides write them, as {@code up --print} does. Facts only.
 */
final class FlagList {
    private FlagList() {}

    static final String TEXT = """
            Options:
              + headless #4 switch: no HTTP: join the head of the deployment and run ranks
              + api-server-count (asc) #3 whole: HTTP event loops that share the port (default 1); 0 means --headless
              + max-connections whole: HTTP connections; idle ones make room for new ones (default: by descriptors and memory)
              + config text: YAML or JSON file with flags, by name without hyphens in front; flags win over it
              + ready-file text: file that is written in one go when the node is ready, with what it says of itself
              + exit-on-stdin-close switch: end when standard input does, as when the parent process has gone (default off)
              + cluster-token-file text: file with the cluster's secret, or two on lines of their own; read again when it changes (default: TANDEM_CLUSTER_TOKEN_FILE)
              + foreign-peers text: addresses and blocks, such as 10.2.0.0/16, of engines that are not Tandem's and need no secret (default: TANDEM_FOREIGN_PEERS)
              . disable-log-stats switch: counters are kept for /metrics and cost nothing
              . aggregate-engine-logging switch: /metrics has all ranks of a node
              . enable-log-requests switch: requests are counted; their text is never logged
              . disable-log-requests switch: requests are counted; their text is never logged

            Frontend:
              + host #1 text: address to bind, and no other (default 127.0.0.1)
              + port #2 whole: HTTP port (default 8000)
              - uds text: a node listens on --host and --port
              + api-key list: keys that requests must carry as bearer, on every path but --open-paths (default: VLLM_API_KEY)
              + api-key-file text: file of more keys, hashed, a line NAME SHA256 for each; read again when it changes
              + open-paths texts: paths that need no key (default /health /ping)
              + metrics-port whole: a further port for /metrics alone, without keys; 0 for any free one (default: none)
              + chat-template text: file with a chat template to use instead of the checkpoint's
              . chat-template-content-format text: the template itself decides
              - trust-request-chat-template switch: a request may not bring a template of its own
              - response-role text = assistant: answers come from the assistant
              - lora-modules texts: LoRA adapters are not served
              - return-tokens-as-token-ids switch: tokens are given as text
              - enable-auto-tool-choice switch: tool calls are not parsed; clients get the text
              - tool-call-parser text: tool calls are not parsed; clients get the text
              - tool-parser-plugin text: no Python is loaded
              - tool-server text: tools are the client's
              . exclude-tools-when-tool-choice-none switch: tools in a request are refused, unless the template takes them
              . uvicorn-log-level text: there is no uvicorn
              . disable-uvicorn-access-log switch: there is no access log
              . log-config-file text: logging follows logback.xml
              . max-log-len whole: prompts are never logged
              . enable-log-outputs switch: answers are never logged
              . log-error-stack switch: the node's log has the stack of every error of its own
              . allow-credentials switch: no CORS headers are sent
              . allowed-origins text: no CORS headers are sent
              . allowed-methods text: no CORS headers are sent
              . allowed-headers text: no CORS headers are sent
              + ssl-keyfile text: private key, PEM without a password; read again when it changes (default: in --ssl-certfile)
              + ssl-certfile text: certificate, PEM, its issuers behind it: HTTPS instead of HTTP; read again when it changes
              + ssl-ca-certs text: CA certificates, PEM, of clients and of metaservers; read again when it changes
              + ssl-cert-reqs whole: certificates of clients: 0 not asked for, 1 checked where shown, 2 needed (default 0)
              . enable-ssl-refresh switch: certificates are always read again when their files change
              - ssl-ciphers text: TLS 1.2 and 1.3 are spoken with the suites of the Java platform
              - root-path text: paths begin at /
              - middleware text: no Python is loaded
              . disable-frontend-multiprocessing switch: HTTP is served by threads of this process
              - enable-request-id-headers switch: the id stands in the answer's body only
              . disable-fastapi-docs switch: there are no such pages
              . enable-prompt-tokens-details switch: usage always has prompt_tokens_details
              . enable-server-load-tracking switch: /load always counts
              - enable-force-include-usage switch: a stream has usage when stream_options asks for it
              - enable-tokenizer-info-endpoint switch: there is no /tokenizer_info
              . h11-max-incomplete-event-size whole: it bounds a Python library; bodies are bounded at 32 MiB
              . h11-max-header-count whole: it bounds a Python library; headers are bounded by this server
              + request-timeout whole: seconds that a request may take in all (default 600)
              + max-waiting whole: requests that may wait; one more gets 429 (default 1024)

            ModelConfig:
              + model text: checkpoint: a Hugging Face folder or a .gguf file; usually given without a flag
              - runner text = auto|generate: only text generation is served
              - convert text = auto|none: only text generation is served
              - task text = auto|generate: only text generation is served
              - tokenizer text: the tokenizer is the checkpoint's own
              - tokenizer-mode text = auto|slow|hf: the tokenizer is the checkpoint's own
              - skip-tokenizer-init switch: requests come as text
              . tokenizer-revision text: nothing is downloaded
              . trust-remote-code #20 switch: no code of a checkpoint is ever run
              + dtype text: auto | float32 | bfloat16 | float16: auto follows the checkpoint, float32 is exact
              + seed #12 whole: base of the seeds of requests without one (default 0)
              - hf-config-path text: the config is the checkpoint's own
              - config-format text = auto|hf: the config is the checkpoint's own
              - hf-overrides json: change the checkpoint's config.json instead, on all nodes alike
              - rope-scaling json: change the checkpoint's config.json instead, on all nodes alike
              - rope-theta number: change the checkpoint's config.json instead, on all nodes alike
              . hf-token optional: nothing is downloaded
              . revision text: nothing is downloaded
              . code-revision text: no code of a checkpoint is ever run
              . allowed-local-media-path text: only text is served
              . allowed-media-domains texts: only text is served
              + max-model-len #17 whole: longest prompt plus output, tokens (default: the checkpoint's, cut to the KV memory)
              + quantization (q) #14 text: ascend: insist on a ModelSlim W8A8 checkpoint (default: as the checkpoint says)
              . enforce-eager #13 switch: there are no graphs to capture
              . max-seq-len-to-capture whole: there are no graphs to capture
              + max-logprobs whole: most alternatives that logprobs may ask for (default 20)
              - logprobs-mode text = raw_logprobs: logprobs are those of the model, before penalties and temperature
              . disable-sliding-window switch: no model that is served has a window
              . disable-cascade-attn switch: attention has one form only
              - enable-prompt-embeds switch: prompts are text or token ids
              + served-model-name #16 texts: names that requests may use; the first is shown (default: the path as given)
              - pooler-config json: only text generation is served
              - override-pooler-config json: only text generation is served
              - logits-processor-pattern text: no Python is loaded
              - logits-processors texts: no Python is loaded
              - io-processor-plugin text: no Python is loaded
              + generation-config text: auto | vllm: where sampling defaults come from: the checkpoint, or neutral values
              - override-generation-config json: send the values with the requests, or change generation_config.json
              - enable-sleep-mode switch: there are no /sleep and /wake_up
              . model-impl text: there is one implementation of each model
              - override-attention-dtype text: attention reads the KV memory in --kv-cache-dtype
              + kernels text: auto | scalar | vector-128 | vector-256 | vector-512 (default auto)

            LoadConfig:
              - load-format text = auto|safetensors|hf|gguf: a checkpoint is a folder with safetensors, or a .gguf file
              . download-dir text: nothing is downloaded
              . safetensors-load-strategy text: files are mapped, not read
              . model-loader-extra-config json: files are mapped, not read
              . ignore-patterns texts: nothing is downloaded
              . use-tqdm-on-load switch: opening a checkpoint takes no time worth a bar
              . pt-load-map-location text: no PyTorch file is loaded

            StructuredOutputsConfig:
              - reasoning-parser text: the answer is not cut into reasoning and content
              - structured-outputs-config json: requests that constrain the output are refused
              . guided-decoding-backend text: requests that constrain the output are refused
              . guided-decoding-disable-fallback text: requests that constrain the output are refused
              . guided-decoding-disable-any-whitespace text: requests that constrain the output are refused
              . guided-decoding-disable-additional-properties text: requests that constrain the output are refused

            ParallelConfig:
              + tensor-parallel-size (tp) #10 whole: shards of a replica (default 1)
              - pipeline-parallel-size (pp) whole = 1: models are cut by tensor and by expert, never by layer
              - decode-context-parallel-size (dcp) whole = 1: a sequence's KV lies whole on its replica
              - prefill-context-parallel-size (pcp) whole = 1: a prompt is computed whole on its replica
              + data-parallel-size (dp) #5 whole: replicas of the whole deployment, all its nodes together (default 1)
              + data-parallel-size-local (dpl) #6 whole: replicas that this process runs (default: all); 0: a head without ranks
              + data-parallel-start-rank (dpr) #7 whole: global index of this process's first replica (default 0)
              + data-parallel-rank (dpn) whole: the one replica that this process runs, when somebody else balances
              + data-parallel-address (dpa) #8 text: address of the head (default 127.0.0.1)
              + data-parallel-rpc-port (dpp) #9 whole: port on which nodes join the head (default 29550)
              - data-parallel-backend (dpb) text = mp: nodes are started by hand or by tandem up, not by Ray
              + data-parallel-hybrid-lb (dph) switch: each node balances over its own replicas (default off)
              + data-parallel-external-lb (dpe) switch: one replica per process; somebody else balances (default off)
              + enable-expert-parallel (ep) #11 switch: spread whole experts over all ranks instead of cutting each (default off)
              + join-timeout whole: seconds that head and headless nodes wait for each other (default 300)
              - distributed-executor-backend #15 text = mp|uni: ranks are threads of this process, nodes are started one by one
              . all2all-backend text: rows reach experts by memory within a process and by TCP between processes
              . enable-dbo switch: rows for experts are sent while others are computed anyway
              . dbo-decode-token-threshold whole: rows for experts are sent while others are computed anyway
              . dbo-prefill-token-threshold whole: rows for experts are sent while others are computed anyway
              . disable-nccl-for-dp-synchronization switch: data-parallel ranks do not run in lockstep
              . enable-eplb switch: an expert stays on its rank
              . eplb-config json: an expert stays on its rank
              . num-redundant-experts whole: an expert stays on its rank
              . eplb-window-size whole: an expert stays on its rank
              . eplb-step-interval whole: an expert stays on its rank
              . eplb-log-balancedness switch: an expert stays on its rank
              . expert-placement-strategy text: where an expert stands does not change its answer
              . max-parallel-loading-workers whole: weights are mapped once for all ranks
              . ray-workers-use-nsight switch: there is no Ray
              . disable-custom-all-reduce switch: no float is summed across ranks
              - worker-cls text = auto: no Python is loaded
              - worker-extension-cls text: no Python is loaded
              . enable-multimodal-encoder-data-parallel switch: only text is served

            CacheConfig:
              + block-size whole: tokens per KV block (default 16)
              + gpu-memory-utilization #22 number: fraction of a 2 GiB budget that becomes KV memory (default 0.9)
              + kv-cache-memory-bytes whole: bytes of KV memory; else VLLM_CPU_KVCACHE_SPACE (GiB), else --gpu-memory-utilization of 2 GiB
              + kv-cache-dtype text: auto | bfloat16 | float16 | float32: auto follows --dtype
              + enable-prefix-caching #21 switch: keep the blocks of finished prompts (default on)
              - num-gpu-blocks-override whole: give --kv-cache-memory-bytes instead
              . swap-space number: nothing is swapped; a preempted sequence is computed again
              . prefix-caching-hash-algo text: equal prefixes are found by their tokens
              . cpu-offload-gb number: weights are mapped from their file, which the system may page
              - calculate-kv-scales switch: the KV memory is never FP8
              . kv-sharing-fast-prefill switch: no model that is served shares KV between layers
              . mamba-cache-dtype text: no Mamba model is served
              . mamba-ssm-cache-dtype text: no Mamba model is served
              . mamba-block-size whole: no Mamba model is served

            MultiModalConfig:
              . limit-mm-per-prompt json: only text is served
              . enable-mm-embeds switch: only text is served
              . media-io-kwargs json: only text is served
              . mm-processor-kwargs json: only text is served
              . mm-processor-cache-gb number: only text is served
              . disable-mm-preprocessor-cache switch: only text is served
              . mm-processor-cache-type text: only text is served
              . mm-shm-cache-max-object-size-mb whole: only text is served
              . mm-encoder-tp-mode text: only text is served
              . mm-encoder-attn-backend text: only text is served
              . interleave-mm-strings switch: only text is served
              . skip-mm-profiling switch: only text is served
              . video-pruning-rate number: only text is served

            LoRAConfig:
              - enable-lora switch: LoRA adapters are not served
              - enable-lora-bias switch: LoRA adapters are not served
              . max-loras whole: LoRA adapters are not served
              . max-lora-rank whole: LoRA adapters are not served
              . lora-extra-vocab-size whole: LoRA adapters are not served
              . lora-dtype text: LoRA adapters are not served
              . max-cpu-loras whole: LoRA adapters are not served
              . fully-sharded-loras switch: LoRA adapters are not served
              - default-mm-loras json: LoRA adapters are not served

            ObservabilityConfig:
              . show-hidden-metrics-for-version text: no metric is hidden
              - otlp-traces-endpoint text: no traces are sent in this version; /metrics has the counters
              . collect-detailed-traces texts: no traces are sent

            SchedulerConfig:
              + max-num-seqs #19 whole: sequences running at once, per rank (default 128)
              + max-num-batched-tokens #18 whole: rows of one step, at least --max-num-seqs (default 512; without chunked prefill at least --max-model-len)
              + enable-chunked-prefill switch: cut long prompts over several steps (default on)
              . max-num-partial-prefills whole: prompts are cut by --max-num-batched-tokens alone
              . max-long-partial-prefills whole: prompts are cut by --max-num-batched-tokens alone
              . long-prefill-token-threshold whole: prompts are cut by --max-num-batched-tokens alone
              . num-lookahead-slots whole: no tokens are drafted
              - scheduling-policy text = fcfs: requests run in the order in which they came
              - scheduler-cls text: no Python is loaded
              . disable-chunked-mm-input switch: only text is served
              . disable-hybrid-kv-cache-manager switch: all layers of a model share one form of KV block
              . async-scheduling switch: a step is planned in microseconds

            CompilationConfig:
              . cudagraph-capture-sizes texts: there are no graphs to capture
              . cuda-graph-sizes texts: there are no graphs to capture
              . max-cudagraph-capture-size whole: there are no graphs to capture

            VllmConfig:
              + kv-transfer-config json: this node's part in prefill/decode disaggregation, as JSON or as --kv-transfer-config.KEY VALUE
              + handshake-port whole: port of the transfer engine's handshake (default: any free one)
              + transfer-port whole: port of the transfer engine's data (default: any free one)
              - speculative-config json: no tokens are drafted
              - kv-events-config json: KV events are not published
              . compilation-config (O) #23 json: nothing is compiled for a device
              . additional-config #24 json: its keys set Ascend devices (graphs, schedulers, expert maps), and there are none
            """;

    static final String KV_TRANSFER_KEYS = """
            KVTransferConfig (keys of --kv-transfer-config):
              kv_connector                       MooncakeConnector, MooncakeConnectorV1: the decode node reads the KV;
                                                 MooncakeLayerwiseConnector: the prefill node writes it, layer by layer;
                                                 LLMDataDistCMgrConnector: the decode node reads the KV, nodes know each other
                                                 by the rank table in DISAGGREGATED_PREFILL_RANK_TABLE_PATH
              kv_role                            kv_producer (prefill) | kv_consumer (decode) | kv_both
              kv_port                            first side-channel port of the deployment (default 14579): rank r of replica d
                                                 listens on kv_port + d * tensor-parallel-size + r; not used by
                                                 LLMDataDistCMgrConnector, which counts from VLLM_ASCEND_LLMDD_RPC_PORT
              engine_id                          unique name of this engine (default: a random one); not used by
                                                 LLMDataDistCMgrConnector
              kv_ip                              address to announce, when HCCL_IF_IP and VLLM_HOST_IP are not set
              kv_connector_module_path           must fit kv_connector; no Python is loaded
              kv_load_failure_policy             recompute (default) | fail: what a decode node does without the KV
              kv_connector_extra_config          prefill {dp_size, tp_size} and decode {dp_size, tp_size}: sizes of both sides
            """;
}
