# prefill-0, on 127.0.0.2
unset ftp_proxy
unset https_proxy
unset http_proxy
local_ip=127.0.0.2
export HCCL_IF_IP=$local_ip
tandem serve models/tandem-fable \
  --host 127.0.0.2 \
  --port 8100 \
  --served-model-name fable \
  --max-num-seqs 16 \
  --kv-transfer-config \
  '{"kv_connector": "MooncakeConnector",
  "kv_role": "kv_producer",
  "kv_port": "14600",
  "engine_id": "0",
  "kv_connector_module_path": "vllm_ascend.distributed.mooncake_connector",
  "kv_connector_extra_config": {
            "prefill": {
                    "dp_size": 1,
                    "tp_size": 1
             },
             "decode": {
                    "dp_size": 1,
                    "tp_size": 1
             }
      }
  }'

# decode-0, on 127.0.0.3
unset ftp_proxy
unset https_proxy
unset http_proxy
local_ip=127.0.0.3
export HCCL_IF_IP=$local_ip
tandem serve models/tandem-fable \
  --host 127.0.0.3 \
  --port 8200 \
  --served-model-name fable \
  --max-num-seqs 16 \
  --kv-transfer-config \
  '{"kv_connector": "MooncakeConnector",
  "kv_role": "kv_consumer",
  "kv_port": "14700",
  "engine_id": "1",
  "kv_connector_module_path": "vllm_ascend.distributed.mooncake_connector",
  "kv_connector_extra_config": {
            "prefill": {
                    "dp_size": 1,
                    "tp_size": 1
             },
             "decode": {
                    "dp_size": 1,
                    "tp_size": 1
             }
      }
  }'

# gateway, on 127.0.0.1
tandem proxy \
    --host 127.0.0.1 \
    --port 8080 \
    --prefiller-hosts 127.0.0.2 \
    --prefiller-ports 8100 \
    --decoder-hosts 127.0.0.3 \
    --decoder-ports 8200

# Verification; tandem verify http://127.0.0.1:8080 looks at more than that
curl http://127.0.0.1:8080/v1/completions \
    -H "Content-Type: application/json" \
    -d '{
        "model": "fable",
        "prompt": "Who are you?",
        "max_tokens": 100,
        "temperature": 0
    }'
