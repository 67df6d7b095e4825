#!/usr/bin/env bash
# gateway_compare.sh PEERS_BIN PROXY.py PYTHON [ROUNDS]   tandem proxy beside a proxy of vllm-ascend, before the same mock nodes, A B A B.
# PEERS_BIN holds mocknode and loadgen, PROXY.py is vllm-ascend's load_balance_proxy_server_example.py, PYTHON one with fastapi<0.124, httpx
# and uvicorn. Prints one JSON line a run, then the medians. Needs wrk. TANDEM names another command line, LOCK a file to be locked for
# each round on a machine that others use, SECS the seconds a run.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
bin=${1:?folder of mocknode and loadgen} proxy=${2:?the proxy program of vllm-ascend} python=${3:?python with fastapi, httpx, uvicorn}
rounds=${4:-5}
tandem=${TANDEM:-$root/tandem}
secs=${SECS:-2}
base=${BASE_PORT:-18300}
work=$(mktemp -d)
pids=()
stop() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  rm -rf "$work"
}
trap stop EXIT

# Some versions of the proxy import vLLM's logger; a stand-in keeps vLLM itself away.
mkdir -p "$work/stubs/vllm"
: > "$work/stubs/vllm/__init__.py"
printf 'import logging\ndef init_logger(name):\n    return logging.getLogger(name)\n' > "$work/stubs/vllm/logger.py"

p1=$((base + 1)) p2=$((base + 2)) d1=$((base + 11)) d2=$((base + 12))
lists=(--prefiller-hosts 127.0.0.1 127.0.0.1 --prefiller-ports "$p1" "$p2" --decoder-hosts 127.0.0.1 127.0.0.1 --decoder-ports "$d1" "$d2")
"$bin/mocknode" -prefill "127.0.0.1:$p1,127.0.0.1:$p2" -decode "127.0.0.1:$d1,127.0.0.1:$d2" -ttl 1h > "$work/mock.log" 2>&1 &
pids+=($!)
declare -A port=([tandem]=$base [ascend]=$((base + 20)) [mock]=$d1)
"$tandem" proxy --host 127.0.0.1 --port "${port[tandem]}" "${lists[@]}" > "$work/tandem.log" 2>&1 &
pids+=($!)
PYTHONPATH=$work/stubs "$python" "$proxy" --host 127.0.0.1 --port "${port[ascend]}" "${lists[@]}" > "$work/ascend.log" 2>&1 &
pids+=($!)

cat > "$work/post.lua" <<'LUA'
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"model":"mock","prompt":"' .. string.rep("word ", 205) .. '","max_tokens":32,"stream":false,"temperature":0}'
done = function(s, l, r)
  io.write(string.format('JSON {"rps":%.1f,"bad":%d,"p50_ms":%.3f,"p99_ms":%.3f}\n', (s.requests - s.errors.status) / (s.duration / 1e6),
    s.errors.status + s.errors.connect + s.errors.read + s.errors.write + s.errors.timeout, l:percentile(50) / 1000, l:percentile(99) / 1000))
end
LUA
row() { # peer, test, connections, JSON
  python3 -c 'import json,os,sys
peer,test,c,text=sys.argv[1:]
kept=("rps","bad","errors","p50_ms","p99_ms","lat_p50_ms","ttft_p50_ms","events_per_s")
print(json.dumps({"peer":peer,"test":test,"c":int(c),**{k:v for k,v in json.loads(text).items() if k in kept},"load":os.getloadavg()[0]}), flush=True)' "$@"
}
whole() { row "$1" whole "$2" "$(wrk -t1 -c"$2" -d"${3:-$secs}s" --timeout 10s -s "$work/post.lua" "http://127.0.0.1:${port[$1]}/v1/completions" | sed -n 's/^JSON //p')"; }
events() { row "$1" events "$2" "$("$bin/loadgen" -url "http://127.0.0.1:${port[$1]}/v1/completions" -stream -tokens 64 -c "$2" -d "${secs}s" -warm 500ms | tail -n 1)"; }

for peer in mock tandem ascend; do
  for _ in $(seq 300); do
    curl -sf "http://127.0.0.1:${port[$peer]}/v1/completions" -H 'Content-Type: application/json' -d '{"model":"mock","prompt":"x","max_tokens":2}' > "$work/first" && grep -q tok "$work/first" && break
    sleep 0.1
  done
  grep -q tok "$work/first" || { echo "$peer does not serve" >&2; cat "$work"/*.log >&2; exit 1; }
  : > "$work/first"
done
whole tandem 16 10 > /dev/null # warm-up of both
whole ascend 16 2 > /dev/null
for round in $(seq "$rounds"); do
  exec 9> "${LOCK:-$work/lock}"
  flock -x 9
  for c in 1 16 64; do whole mock "$c"; whole tandem "$c"; whole ascend "$c"; done
  for c in 16 64; do events tandem "$c"; events ascend "$c"; done
  exec 9>&-
done | tee "$work/rows"
python3 - "$work/rows" <<'PY'
import json, statistics, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
print("\nmedians")
for key in sorted({(r["test"], r["c"], r["peer"]) for r in rows}):
    mine = [r for r in rows if (r["test"], r["c"], r["peer"]) == key]
    values = {k: round(statistics.median(r[k] for r in mine), 2) for k in mine[0] if k in ("rps", "p50_ms", "p99_ms", "lat_p50_ms", "ttft_p50_ms")}
    print(json.dumps({"test": key[0], "c": key[1], "peer": key[2], "runs": len(mine), "bad": sum(r.get("bad", 0) + r.get("errors", 0) for r in mine), **values}))
PY
