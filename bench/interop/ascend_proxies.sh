#!/usr/bin/env bash
# ascend_proxies.sh [pull|layerwise …]   vllm-ascend's own example proxies, unmodified, before our nodes: the same requests through them and
# through tandem proxy must give the same tokens as one node that does both, and every prompt must come from the prefill node.
# Needs: this repository built, python3 with venv, pip, git. Exit: 0 all passed, 1 something failed, 3 something could NOT be tested.
# ASCEND_REPO     a clone of vllm-ascend, or where to clone it from
# ASCEND_VERSIONS its versions (default: main and v0.11.0rc1)
# ASCEND_VENV     a Python environment with fastapi<0.124, httpx, uvicorn; made when it is not there
# TANDEM, MODEL   another command line, another checkpoint
# TANDEM_CLUSTER_TOKEN gives all of our processes a secret. Pulling needs nothing more: the proxies hand the sealed ticket on. Layerwise, D
# posts to the proxy's metaserver, so that the proxy has to be in TANDEM_FOREIGN_PEERS (127.0.0.0/8 here).
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
here=$root/bench/interop
tandem=${TANDEM:-$root/tandem}
model=${MODEL:-$root/models/tandem-fable}
repo=${ASCEND_REPO:-https://github.com/vllm-project/vllm-ascend}
venv=${ASCEND_VENV:-${TMPDIR:-/tmp}/tandem-ascend-venv}
read -r -a versions <<< "${ASCEND_VERSIONS:-main v0.11.0rc1}"
kinds=("$@")
[ ${#kinds[@]} -gt 0 ] || kinds=(pull layerwise)
work=$(mktemp -d)
host=127.$((64 + $$ / 64516 % 64)).$(($$ / 254 % 254)).$((1 + $$ % 254)) # this run's own, so ports can be fixed: nobody else listens there
passed=0
failed=0
untested=0
pids=()

not_tested() {
  echo "################################################################" >&2
  echo "# INTEROP NOT TESTED: $1" >&2
  [ -s "$work/log" ] && tail -n 5 "$work/log" >&2
  echo "################################################################" >&2
  untested=$((untested + 1))
}
check() { # name, status
  if [ "$2" -eq 0 ]; then
    echo "ok      $1"
    passed=$((passed + 1))
  else
    echo "FAILED  $1"
    failed=$((failed + 1))
  fi
}
stop_all() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null; done
  pids=()
}
trap 'stop_all; rm -rf "$work"' EXIT

[ -x "$tandem" ] || { echo "no $tandem: build first" >&2; exit 1; }
if ! "$venv/bin/python" -c 'import fastapi, httpx, uvicorn' > "$work/log" 2>&1; then
  python3 -m venv "$venv" > "$work/log" 2>&1 && "$venv/bin/pip" install -q 'fastapi<0.124' httpx 'uvicorn[standard]' > "$work/log" 2>&1 \
    || { not_tested "no Python environment with fastapi, httpx and uvicorn can be made"; exit 3; }
fi
if [ -d "$repo" ]; then
  clone=$repo
else
  clone=$work/vllm-ascend
  git clone -q --bare --filter=blob:none "$repo" "$clone" > "$work/log" 2>&1 || { not_tested "$repo cannot be cloned"; exit 3; }
fi

# The proxies import vLLM's logger, and one constant of vllm-ascend: stand-ins keep both away.
stubs=$work/stubs
protocol=$stubs/vllm_ascend/distributed/kv_transfer/kv_p2p/sfa_pd_rd2h
mkdir -p "$stubs/vllm" "$protocol"
printf 'import logging\ndef init_logger(name):\n    return logging.getLogger(name)\n' > "$stubs/vllm/logger.py"
echo "BATCH_KV_TRANSFER_PARAMS = 'batch_kv_transfer_params'" > "$protocol/protocol.py"

await() { # name, port, path, log: until it answers 200, or says that it will not
  for _ in $(seq 1800); do
    curl -sf -o /dev/null "http://$host:$2$3" && return 0
    grep -q '^tandem: ' "$4" && break
    sleep 0.1
  done
  echo "$1 does not serve" >&2
  tail -n 5 "$4" >&2
  return 1
}
node() { # name, port, kv-transfer-config or nothing
  local arguments=(serve "$model" --host "$host" --port "$2" --served-model-name m --dtype float32 --max-model-len 2048 --max-num-seqs 32 --no-enable-prefix-caching)
  [ -n "$3" ] && arguments+=(--kv-transfer-config "$3")
  "$tandem" "${arguments[@]}" > "$work/$1.log" 2>&1 < /dev/null &
  pids+=($!)
}
config() { # connector, role, engine id, kv_port
  echo "{\"kv_connector\":\"$1\",\"kv_role\":\"$2\",\"kv_port\":\"$4\",\"engine_id\":\"$3\"}"
}
compare() { # expected, found
  python3 - "$1" "$2" <<'PY'
import json, sys
expected = {row["name"]: row for row in map(json.loads, open(sys.argv[1]))}
found = list(map(json.loads, open(sys.argv[2])))
bad = 0
for row in found:
    wanted = expected[row["name"]]
    if row.get("answer") != wanted.get("answer") or row["status"] != 200:
        bad += 1
        print("  differs:", json.dumps(row)[:300], "\n  wanted: ", json.dumps(wanted)[:300])
    elif row.get("prefill") == "local":
        bad += 1
        print("  computed by the decode node alone:", row["name"])
print(f"  {len(found)} requests, {bad} wrong")
sys.exit(bad > 0 or not found)
PY
}
ask() { # port, output, flags
  "$venv/bin/python" "$here/ascend_requests.py" "http://$host:$1" m ${3:-} > "$work/$2"
}

one=8000
node aggregated "$one" ""
await "the aggregated node" "$one" /health "$work/aggregated.log" || exit 1
ask "$one" expected --several
stop_all

for kind in "${kinds[@]}"; do
  case $kind in
    pull) connector=MooncakeConnectorV1 program=load_balance_proxy_server_example.py flags=() ;;
    layerwise) connector=MooncakeLayerwiseConnector program=load_balance_proxy_layerwise_server_example.py flags=(--layerwise) ;;
    *) echo "pull or layerwise, not $kind" >&2; exit 2 ;;
  esac
  echo "-- $kind"
  p=8100 d=8200 gateway=8080
  node "$kind-prefill" "$p" "$(config $connector kv_producer 0 9100)"
  node "$kind-decode" "$d" "$(config $connector kv_consumer 1 9200)"
  lists=(--host "$host" --prefiller-hosts "$host" --prefiller-ports "$p" --decoder-hosts "$host" --decoder-ports "$d")
  if ! await "prefill node" "$p" /health "$work/$kind-prefill.log" || ! await "decode node" "$d" /health "$work/$kind-decode.log"; then
    not_tested "our nodes do not start with $connector"
    stop_all
    continue
  fi
  "$tandem" proxy "${flags[@]}" "${lists[@]}" --port "$gateway" > "$work/$kind-gateway.log" 2>&1 < /dev/null &
  pids+=($!)
  await "tandem proxy" "$gateway" /health "$work/$kind-gateway.log"
  ask "$gateway" "$kind-tandem" --several
  compare "$work/expected" "$work/$kind-tandem"
  check "$kind through tandem proxy" $?
  for version in "${versions[@]}"; do
    mkdir -p "$work/$version"
    if ! git -C "$clone" show "$version:examples/disaggregated_prefill_v1/$program" > "$work/$version/$program" 2> "$work/log"; then
      not_tested "vllm-ascend $version has no $program"
      continue
    fi
    port=8090
    PYTHONPATH=$stubs "$venv/bin/python" "$work/$version/$program" "${lists[@]}" --port "$port" > "$work/$kind-$version.log" 2>&1 < /dev/null &
    proxy=$!
    pids+=("$proxy")
    if ! await "$program of $version" "$port" /healthcheck "$work/$kind-$version.log"; then
      not_tested "$program of $version does not start"
      continue
    fi
    ask "$port" "$kind-$version"
    compare "$work/expected" "$work/$kind-$version"
    check "$kind through vllm-ascend's own proxy, $version" $?
    kill "$proxy" 2>/dev/null
    wait "$proxy" 2>/dev/null
  done
  stop_all
done
echo "vllm-ascend's proxies: $passed passed, $failed failed, $untested not run"
[ "$failed" -eq 0 ] || exit 1
[ "$untested" -eq 0 ] || exit 3
