#!/usr/bin/env bash
# simulate.sh SEEDS [FIRST]   runs so many seeds of the simulation, from that one on (1), as in: bench/simulate.sh 10000
# simulate.sh trace SEED      runs one seed and tells all that happens: what a seed that found something is replayed with
# Real engine loops, schedulers and connectors under virtual time, with faults that the seed draws (docs/reliability.md#simulation).
# Prints each seed that found something, how requests ended, and which faults came how often at which await point.
# Builds first, unless BUILT=1. Exit: 0 nothing found, 1 a seed found something, 2 no build.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
[ $# -ge 1 ] || { sed -n '2,6p' "$0" >&2; exit 2; }
JAVA_HOME=$("$root/tandem" --print-java-home)
export JAVA_HOME
cd "$root"
[ "${BUILT:-0}" = 1 ] || mvn -q -B -ntp -pl bench -am -DskipTests package >&2 || exit 2
exec "$JAVA_HOME/bin/java" "@$root/jvm.options" -XX:+UseSerialGC -Xmx512m -cp "$root/bench/target/classes:$root/ops/target/tandem/lib/*" dev.tandem.bench.EngineSeeds "$@"
