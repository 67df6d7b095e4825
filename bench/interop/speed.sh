#!/usr/bin/env bash
# Transfer speed over loopback: Tandem, the Mooncake wheel and iperf3 in turn, medians of ROUNDS (5) short runs.
# Needs what mooncake.sh needs (run that first) and iperf3. Prints a table; GB are 1e9 bytes.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
here=$root/bench/interop
tandem=${TANDEM:-$root/tandem}
python=${MOONCAKE_VENV:-${TMPDIR:-/tmp}/tandem-interop-venv}/bin/python
rounds=${ROUNDS:-5} secs=${SECS:-1}
work=$(mktemp -d)
export MC_FORCE_TCP=1 GLOG_minloglevel=2
command -v iperf3 > /dev/null || { echo "no iperf3" >&2; exit 3; }
"$python" -c 'import mooncake.engine' 2> /dev/null || { echo "no wheel: run mooncake.sh first" >&2; exit 3; }
field() { python3 -c 'import json,sys; print(json.loads(sys.argv[1])[sys.argv[2]])' "$1" "$2"; }
stop() { exec 7>&- 8>&-; for pid in $(jobs -p); do kill "$pid" 2>/dev/null; done; rm -rf "$work"; }
trap stop EXIT

mkfifo "$work/ours.in" "$work/wheel.in"
"$tandem" transfer target --host 127.0.0.1 --size 256MiB --exit-on-stdin-close > "$work/ours" 2>/dev/null < "$work/ours.in" &
exec 7> "$work/ours.in"
"$python" "$here/wheel_target.py" --size 268435456 > "$work/wheel" 2>/dev/null < "$work/wheel.in" &
exec 8> "$work/wheel.in"
iperf3 -s -B 127.0.0.1 -p 5299 > /dev/null 2>&1 &
for _ in $(seq 200); do [ -s "$work/ours" ] && [ -s "$work/wheel" ] && break; sleep 0.1; done
ours=$(field "$(head -n 1 "$work/ours")" target)
wheel=$(field "$(head -n 1 "$work/wheel")" target)

note() { echo "$3 $4" >> "$work/$1.$2"; } # who, point, GB/s, CPU s/GB
points=("read 1048576 16" "read 65536 64" "read 4096 64" "write 1048576 16" "write 65536 64" "write 4096 64")
[ -n "${POINTS:-}" ] && IFS=';' read -r -a points <<< "$POINTS"
for _ in $(seq "$rounds"); do
  bits=$(iperf3 -J -c 127.0.0.1 -p 5299 -t "$(python3 -c "import math; print(math.ceil($secs))")" | python3 -c 'import json,sys; print(json.load(sys.stdin)["end"]["sum_received"]["bits_per_second"])')
  note iperf3 "1 stream" "$(python3 -c "print(round($bits / 8e9, 3))")" 0
  for point in "${points[@]}"; do
    read -r op block batch <<< "$point"
    line=$("$tandem" transfer bench --target "$ours" --op "$op" --block "$block" --batch "$batch" --threads 1 --secs "$secs" 2>/dev/null)
    note tandem "$point" "$(field "$line" gb_per_s)" "$(field "$line" cpu_s_per_gb)"
    line=$("$python" "$here/wheel_bench.py" --target "$wheel" --op "$op" --block "$block" --batch "$batch" --secs "$secs" 2>/dev/null)
    note wheel "$point" "$(field "$line" gb_per_s)" "$(field "$line" cpu_s_per_gb)"
  done
done
python3 - "$work" << 'PY'
import os, statistics, sys
print("%-8s %-18s %6s  %s" % ("who", "op block batch", "GB/s", "CPU s/GB of the initiator (median of each; all GB/s)"))
for name in sorted(n for n in os.listdir(sys.argv[1]) if "." in n and not n.endswith(".in")):
    who, point = name.split(".", 1)
    rows = [tuple(map(float, line.split())) for line in open(os.path.join(sys.argv[1], name))]
    speeds = [row[0] for row in rows]
    print("%-8s %-18s %6.2f  %.2f  %s" % (who, point, statistics.median(speeds), statistics.median(r[1] for r in rows), speeds))
PY
