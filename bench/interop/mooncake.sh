#!/usr/bin/env bash
# Talks to the real Mooncake transfer engine (the PyPI wheel) in both directions over loopback.
# Needs: this repository built (or a JDK and Maven to build it), python3 with venv, pip.
# Exit: 0 all passed, 1 something failed, 3 the wheel cannot be used here and NOTHING was tested.
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
failed=0

not_tested() {
  echo "################################################################" >&2
  echo "# INTEROP NOT TESTED: $1" >&2
  [ -s "$work/log" ] && tail -n 5 "$work/log" >&2
  echo "################################################################" >&2
  exit 3
}
check() { # name, status
  if [ "$2" -eq 0 ]; then echo "ok      $1"; else echo "FAILED  $1"; failed=$((failed + 1)); fi
}
field() { python3 -c 'import json,sys; print(json.loads(sys.argv[1])[sys.argv[2]])' "$1" "$2"; }
refuses() { # a tandem command that the peer must refuse
  ! "$tandem" "$@" > "$work/out" 2> "$work/err" < /dev/null && grep -qi reject "$work/err"
}
stop() {
  exec 7>&- 2>/dev/null
  for pid in ${target_pid:-} ${wheel_pid:-}; do kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; done
  rm -rf "$work"
}
trap stop EXIT

[ -x "$tandem" ] || { echo "no $tandem: build first" >&2; exit 1; }
if [ ! -x "$venv/bin/python" ]; then
  python3 -m venv "$venv" > "$work/log" 2>&1 || not_tested "python3 has no venv"
fi
if ! "$venv/bin/python" -c 'import mooncake.engine' > "$work/log" 2>&1; then
  "$venv/bin/pip" install -q "$wheel" > "$work/log" 2>&1 || not_tested "$wheel cannot be installed"
  "$venv/bin/python" -c 'import mooncake.engine' > "$work/log" 2>&1 \
    || not_tested "$wheel does not load; it wants libibverbs1 librdmacm1 libnuma1 libcurl4"
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

echo
if [ "$failed" -eq 0 ]; then echo "interop with Mooncake: all passed"; else echo "interop with Mooncake: $failed FAILED"; fi
[ "$failed" -eq 0 ]
