#!/usr/bin/env bash
# Talks to the real Mooncake transfer engine (the PyPI wheel) in both directions over loopback; then the wheel reads, as vllm-ascend does,
# what nodes lend: one without a secret, one whose list of foreign peers has it, and one that must refuse it. Ends with counts.
# Needs: this repository built (or a JDK and Maven to build it), python3 with venv, pip, curl.
# Exit: 0 all passed, 1 something failed, 3 the wheel, or a part of it, could NOT be tested.
# TANDEM, MODEL: another command line, another checkpoint. MOONCAKE_WHEEL, MOONCAKE_VENV: another version, where it is installed.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
here=$root/bench/interop
tandem=${TANDEM:-$root/tandem}
wheel=${MOONCAKE_WHEEL:-mooncake-transfer-engine-non-cuda==0.3.13.post1}
venv=${MOONCAKE_VENV:-${TMPDIR:-/tmp}/tandem-interop-venv}
work=$(mktemp -d)
# The wheel refuses batches beyond its own queue of 1,024 + 1,024 (upstream issue 4209), also against itself.
export MC_TCP_MAX_QUEUED_TRANSFERS_PER_PEER=16384
export MC_FORCE_TCP=1 MC_LOG_LEVEL=${MC_LOG_LEVEL:-ERROR} GLOG_minloglevel=${GLOG_minloglevel:-2}
model=${MODEL:-$root/models/tandem-fable}
host=127.$((160 + $$ / 64516 % 64)).$(($$ / 254 % 254)).$((1 + $$ % 254)) # the nodes' own, so that ports can be fixed
passed=0
failed=0
untested=0

not_tested() {
  echo "################################################################" >&2
  echo "# INTEROP NOT TESTED: $1" >&2
  [ -s "$work/log" ] && tail -n 5 "$work/log" >&2
  echo "################################################################" >&2
  untested=$((untested + 1))
}
nothing_tested() {
  not_tested "$1"
  exit 3
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
missing_libraries() { # of the wheel's native modules
  find "$venv" -path '*mooncake*' -name '*.so*' -exec ldd {} + 2>/dev/null | awk '/not found/ {print $1}' | sort -u | tr '\n' ' '
}
field() { python3 -c 'import json,sys; print(json.loads(sys.argv[1])[sys.argv[2]])' "$1" "$2"; }
refuses() { # a tandem command that the peer must refuse
  ! "$tandem" "$@" > "$work/out" 2> "$work/err" < /dev/null && grep -qi reject "$work/err"
}
stop() {
  exec 7>&- 2>/dev/null
  for pid in ${target_pid:-} ${wheel_pid:-} ${node_pid:-}; do kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; done
  rm -rf "$work"
}
trap stop EXIT

[ -x "$tandem" ] || { echo "no $tandem: build first" >&2; exit 1; }
if [ ! -x "$venv/bin/python" ]; then
  python3 -m venv "$venv" > "$work/log" 2>&1 || nothing_tested "python3 has no venv"
fi
if ! "$venv/bin/python" -c 'import mooncake.engine' > "$work/log" 2>&1; then
  "$venv/bin/pip" install -q "$wheel" > "$work/log" 2>&1 || nothing_tested "$wheel cannot be installed"
  "$venv/bin/python" -c 'import mooncake.engine' > "$work/log" 2>&1 \
    || nothing_tested "$wheel does not load; missing: $(missing_libraries)(Debian: libibverbs1 librdmacm1 libnuma1 libcurl4)"
fi
python=$venv/bin/python
echo "peer: $("$venv/bin/pip" list 2>/dev/null | grep -i mooncake | tr -s ' ')"

echo "-- the wheel reads from and writes to Tandem"
mkfifo "$work/stop"
"$tandem" transfer target --host 127.0.0.1 --size 64MiB --exit-on-stdin-close > "$work/target" 2> "$work/target.err" < "$work/stop" &
target_pid=$!
exec 7> "$work/stop"
for _ in $(seq 300); do [ -s "$work/target" ] && break; kill -0 "$target_pid" 2>/dev/null || break; sleep 0.1; done
line=$(head -n 1 "$work/target")
[ -n "$line" ] || { cat "$work/target.err" >&2; echo "tandem transfer target did not start" >&2; exit 1; }
initiate() { # NAME=VALUE, for the wheel's environment
  env "$1" "$python" "$here/wheel_initiator.py" \
    --target "$(field "$line" target)" --addr "$(field "$line" addr)" --size "$(field "$line" size)" 2> "$work/err"
}
initiate MC_TCP_ENABLE_CONNECTION_POOL=0
check "wheel as initiator, a connection a request" $?
initiate MC_TCP_ENABLE_CONNECTION_POOL=1
check "wheel as initiator, kept connections" $?
initiate MC_TCP_PROTO=1 > "$work/v1"
# A v1 write may be reported before it is there or is refused; reads must be right and refused.
grep '^FAILED' "$work/v1" | grep -v -e 'write .* is refused' -e 'write and read' -e 'batch of' -e 'threads' > "$work/v1.bad"
check "wheel as initiator, protocol v1" "$([ -s "$work/v1" ] && [ ! -s "$work/v1.bad" ]; echo $?)"
exec 7>&-
wait "$target_pid"
check "target ends with its input" $?
target_pid=

echo "-- Tandem reads from and writes to the wheel"
mkfifo "$work/ask"
"$python" "$here/wheel_target.py" < "$work/ask" > "$work/wheel" 2> "$work/wheel.err" &
wheel_pid=$!
exec 7> "$work/ask"
answer() { # waits for the n-th line of the wheel
  for _ in $(seq 300); do [ "$(wc -l < "$work/wheel")" -ge "$1" ] && break; sleep 0.1; done
  sed -n "${1}p" "$work/wheel"
}
line=$(answer 1)
[ -n "$line" ] || { cat "$work/wheel.err" >&2; echo "the wheel as target did not start" >&2; exit 1; }
target=$(field "$line" target) addr=$(field "$line" addr) size=$(field "$line" size)

head -c 41943047 /dev/urandom > "$work/file"
"$tandem" transfer write --target "$target" --addr $((addr + 5)) < "$work/file" > "$work/out" 2> "$work/err"
check "write 40 MiB and 7 bytes" $?
echo "sha 5 41943047" >&7
[ "$(answer 2)" = "$(sha256sum < "$work/file" | cut -d' ' -f1)" ]
check "the wheel has what was written" $?
echo "fill 7 30000001" >&7
sum=$(answer 3)
"$tandem" transfer read --target "$target" --addr "$addr" --length 30000001 > "$work/read" 2> "$work/err"
check "read 30,000,001 bytes" $?
[ "$(sha256sum < "$work/read" | cut -d' ' -f1)" = "$sum" ]
check "they are what the wheel has" $?
for op in read write; do
  "$tandem" transfer bench --target "$target" --op $op --block 4KiB --batch 5000 --threads 1 --secs 0.5 2> "$work/err"
  check "batches of 5,000, $op" $?
  "$tandem" transfer bench --target "$target" --op $op --block 64KiB --threads 2 --secs 0.5 2> "$work/err"
  check "64 KiB blocks from 2 threads, $op" $?
done
refuses transfer read --target "$target" --addr $((addr + size)) --length 64
check "a read behind the buffer is refused" $?
refuses transfer read --target "$target" --addr $((addr + size - 10)) --length 1048576
check "a read over its end is refused" $?
! "$tandem" transfer write --target "$target" --addr $((addr + size - 10)) < "$work/file" > "$work/out" 2> "$work/err" \
  && grep -qi reject "$work/err"
check "a write over its end is refused" $?
"$tandem" transfer read --target "$target" --addr "$addr" --length 64 > "$work/out" 2> "$work/err"
check "and after that a good read works" $?

echo "-- the wheel reads what a node lends"
node() { # NAME=VALUE …, for the node's environment
  env "$@" "$tandem" serve "$model" --host "$host" --port 8100 --served-model-name m --dtype float32 --max-model-len 1024 \
    --kv-transfer-config '{"kv_connector":"MooncakeConnectorV1","kv_role":"kv_producer","kv_port":"30000","engine_id":"0"}' \
    > "$work/node" 2>&1 < /dev/null &
  node_pid=$!
  for _ in $(seq 1800); do
    curl -sf -o "$work/out" "http://$host:8100/health" && return 0
    kill -0 "$node_pid" 2>/dev/null || break
    sleep 0.1
  done
  return 1
}
read_lease() { # reads a ticket's blocks, tells that they were read, and is then refused them
  curl -sf "http://$host:8100/v1/completions" -H 'Content-Type: application/json' -o "$work/ticket" -d '{"model":"m","max_tokens":1,
    "prompt":"Once upon a time there was a fox who lent what he had and never knew when it would come back to him again",
    "kv_transfer_params":{"do_remote_decode":true,"do_remote_prefill":false}}' \
    && "$python" "$here/ascend_reader.py" --ticket "$work/ticket" > "$work/out" 2> "$work/err"
}
lends() { # name, whether it may read, NAME=VALUE …
  if ! node "${@:3}"; then
    cp "$work/node" "$work/log"
    not_tested "our node does not start: $1"
  elif [ "$2" = yes ]; then
    read_lease
    status=$?
    check "$1" $status
    [ $status -eq 0 ] || cat "$work/out" "$work/err" >&2
  else
    ! read_lease && grep -q 'gives no proof of the cluster secret' "$work/node" && curl -sf -o "$work/out" "http://$host:8100/health"
    check "$1" $?
  fi
  kill "$node_pid" 2>/dev/null
  wait "$node_pid" 2>/dev/null
  node_pid=
}
if "$venv/bin/pip" install -q pyzmq==27.3.0 msgspec==0.20.0 > "$work/log" 2>&1; then
  secret=TANDEM_CLUSTER_TOKEN=$(head -c 32 /dev/urandom | sha256sum | cut -c1-64)
  lends "no secret: blocks are read, given back, and then refused" yes TANDEM_FOREIGN_PEERS=
  lends "a secret, and the wheel on the list of foreign peers: the same" yes "$secret" TANDEM_FOREIGN_PEERS=127.0.0.1
  lends "a secret, and the wheel on no list: refused by name, the node stays healthy" no "$secret" TANDEM_FOREIGN_PEERS=
else
  not_tested "pyzmq or msgspec cannot be installed"
fi

echo
echo "interop with Mooncake: $passed passed, $failed failed, $untested not run"
[ "$failed" -eq 0 ] || exit 1
[ "$untested" -eq 0 ] || exit 3
