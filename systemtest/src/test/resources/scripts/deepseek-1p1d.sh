# rank table, on 127.0.2.1 and 127.0.2.2 at once; each writes the same file
tandem ranktable \
  --ips 127.0.2.1 127.0.2.2 \
  --npus-per-node 16 \
  --network-card-name lo \
  --prefill-device-cnt 16 \
  --decode-device-cnt 16 \
  --output ranktable.json

# prefill-0, on 127.0.2.1
unset ftp_proxy
unset https_proxy
unset http_proxy
nic_name=lo
local_ip=127.0.2.1
export DISAGGREGATED_PREFILL_RANK_TABLE_PATH=ranktable.json
export HCCL_IF_IP=$local_ip
export GLOO_SOCKET_IFNAME=$nic_name
export TP_SOCKET_IFNAME=$nic_name
export HCCL_SOCKET_IFNAME=$nic_name
export OMP_PROC_BIND=false
export OMP_NUM_THREADS=100
export VLLM_ALLOW_LONG_MAX_MODEL_LEN=1
tandem serve fixtures/golden/deepseek-v3.2-w8a8 \
  --host 127.0.2.1 \
  --port 8000 \
  --tensor-parallel-size 16 \
  --enable-expert-parallel \
  --seed 1024 \
  --quantization ascend \
  --served-model-name deepseek_v3.2 \
  --max-model-len 32768 \
  --max-num-batched-tokens 32768 \
  --max-num-seqs 16 \
  --trust-remote-code \
  --no-enable-prefix-caching \
  --gpu-memory-utilization 0.92 \
  --additional-config '{"torchair_graph_config":{"enabled":true,"graph_batch_sizes":[16]}}' \
  --kv-transfer-config \
  '{"kv_connector": "LLMDataDistCMgrConnector",
  "kv_buffer_device": "npu",
  "kv_role": "kv_producer",
  "kv_parallel_size": 1,
  "kv_port": "20001",
  "engine_id": "0",
  "kv_connector_module_path": "vllm_ascend.distributed.llmdatadist_c_mgr_connector"
  }'

# decode-0, on 127.0.2.2
unset ftp_proxy
unset https_proxy
unset http_proxy
nic_name=lo
local_ip=127.0.2.2
export DISAGGREGATED_PREFILL_RANK_TABLE_PATH=ranktable.json
export HCCL_IF_IP=$local_ip
export GLOO_SOCKET_IFNAME=$nic_name
export TP_SOCKET_IFNAME=$nic_name
export HCCL_SOCKET_IFNAME=$nic_name
export OMP_PROC_BIND=false
export OMP_NUM_THREADS=100
export VLLM_ALLOW_LONG_MAX_MODEL_LEN=1
tandem serve fixtures/golden/deepseek-v3.2-w8a8 \
  --host 127.0.2.2 \
  --port 8000 \
  --tensor-parallel-size 16 \
  --enable-expert-parallel \
  --seed 1024 \
  --quantization ascend \
  --served-model-name deepseek_v3.2 \
  --max-model-len 32768 \
  --max-num-batched-tokens 32768 \
  --max-num-seqs 16 \
  --trust-remote-code \
  --no-enable-prefix-caching \
  --gpu-memory-utilization 0.9 \
  --kv-transfer-config \
  '{"kv_connector": "LLMDataDistCMgrConnector",
  "kv_buffer_device": "npu",
  "kv_role": "kv_consumer",
  "kv_parallel_size": 1,
  "kv_port": "20001",
  "engine_id": "0",
  "kv_connector_module_path": "vllm_ascend.distributed.llmdatadist_c_mgr_connector"
  }'

# gateway, on 127.0.2.1
tandem proxy \
    --host 127.0.2.1 \
    --port 8080 \
    --prefiller-hosts 127.0.2.1 \
    --prefiller-ports 8000 \
    --decoder-hosts 127.0.2.2 \
    --decoder-ports 8000

# Verification; tandem verify http://127.0.2.1:8080 looks at more than that
curl http://127.0.2.1:8080/v1/completions \
    -H "Content-Type: application/json" \
    -d '{
        "model": "deepseek_v3.2",
        "prompt": "Who are you?",
        "max_tokens": 100,
        "temperature": 0
    }'
