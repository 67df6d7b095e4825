#!/usr/bin/env bash
# llama_compare.sh LLAMA_BIN MODEL.gguf [ROUNDS]   our engine beside llama.cpp on this machine, A B A B, one JSON line a run.
# LLAMA_BIN holds llama-bench and llama-batched-bench. The table of docs/performance.md is the median over the rounds.
# Build our side first: mvn -DskipTests package
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
llama=${1:?folder of llama-bench}
model=${2:?GGUF file}
rounds=${3:-5}
java=$("$root/tandem" --print-java-home)/bin/java
classes=$root/bench/target/classes
[ -d "$classes/dev/tandem/bench" ] || { echo "build first: mvn -DskipTests package" >&2; exit 2; }

for threads in ${THREADS:-1 2}; do
  for round in $(seq "$rounds"); do
    echo "# round $round threads $threads load $(cut -d' ' -f1 /proc/loadavg)"
    "$java" "@$root/jvm.options" -cp "$classes:$root/ops/target/tandem/lib/*" dev.tandem.bench.EngineBench "$model" "$threads" 512 128 8 3 2>/dev/null
    "$llama/llama-bench" -m "$model" -t "$threads" -p 512 -n 128 -r 3 -ngl 0 -o jsonl 2>/dev/null |
      python3 -c 'import json,sys
row={"peer":"llama.cpp","threads":'"$threads"'}
for line in sys.stdin:
    r=json.loads(line); row[("pp%d"%r["n_prompt"]) if r["n_prompt"] else ("tg%d"%r["n_gen"])]=round(r["avg_ts"],1)
print(json.dumps(row))'
    [ -x "$llama/llama-batched-bench" ] && "$llama/llama-batched-bench" -m "$model" -t "$threads" -c 8192 -b 2048 -ub 512 -npp 128 -ntg 64 -npl 8 --output-format jsonl 2>/dev/null |
      python3 -c 'import json,sys
for line in sys.stdin:
    if line.startswith("{"):
        r=json.loads(line); print(json.dumps({"peer":"llama.cpp","threads":'"$threads"',"batch%d"%r["pl"]:round(r["speed_tg"],1)}))'
  done
done
