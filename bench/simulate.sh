#!/usr/bin/env bash
# simulate.sh KIND SEEDS [FIRST]  runs so many seeds of a simulation, from that one on (1), as in: bench/simulate.sh whole 10000
# simulate.sh KIND trace SEED     runs one seed and tells all that happens: what a seed that found something is replayed with
# Real code under virtual time, with faults that the seed draws (docs/reliability.md#simulation). KIND is
#   engines                       engine loops, schedulers and connectors before clients that hand tickets on
#   pull, layerwise               the gateway's two orders before models of nodes
#   whole                         the gateway before engines; its two orders in turn
# Prints each seed that found something, how requests ended, what was counted, and which faults came how often at which await point.
# Builds first, unless BUILT=1. Exit: 0 nothing found, 1 a seed found something, 2 no build.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
[ $# -ge 2 ] || { sed -n '2,9p' "$0" >&2; exit 2; }
JAVA_HOME=$("$root/tandem" --print-java-home)
export JAVA_HOME
cd "$root"
[ "${BUILT:-0}" = 1 ] || mvn -q -B -ntp -pl bench -am -DskipTests package >&2 || exit 2
exec "$JAVA_HOME/bin/java" "@$root/jvm.options" -XX:+UseSerialGC -Xmx512m -cp "$root/bench/target/classes:$root/ops/target/tandem/lib/*" dev.tandem.bench.SimulationSeeds "$@"
