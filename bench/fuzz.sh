#!/usr/bin/env bash
# fuzz.sh GROUP|all SECONDSs|EXECUTIONS   Jazzer on the parsers of one group (or of all, one after the other), as in
#   bench/fuzz.sh json 60s          bench/fuzz.sh all 10000000
# A group is a corpus in corpora and the test class that replays it. Prints one table row per group: date, executions, seconds, rate,
# findings. What reaches new code goes into corpora/GROUP.found, minimised; an input that breaks something stays in
# bench/target/fuzz/GROUP and belongs into corpora/GROUP.seeds, with the fix.
# Builds first, unless BUILT=1. MAX_LEN is the longest input (default 1024), KEEP the bytes of found inputs that are kept per group (8192),
# MAX_SECONDS ends a run that has not made its executions until then (0: never); TIMEOUT is how many seconds an input may take (10).
# Exit: 0 nothing found, 1 a finding, 2 wrong arguments or no build.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
[ $# -eq 2 ] || { sed -n '2,10p' "$0" >&2; exit 2; }
case $2 in
  *[!0-9]*s | s | *[!0-9s]*) echo "not a number of executions, nor of seconds with an s behind it: $2" >&2; exit 2 ;;
  *s) limit=-max_total_time=${2%s} ;;
  *) limit="-runs=$2 -max_total_time=${MAX_SECONDS:-0}" ;;
esac
JAVA_HOME=$("$root/tandem" --print-java-home)
export JAVA_HOME
cd "$root"
jazzer_version=$(sed -n 's:.*<jazzer.version>\(.*\)</jazzer.version>.*:\1:p' pom.xml)
jars=bench/target/jazzer
if [ "${BUILT:-0}" != 1 ]; then
  mvn -q -B -ntp -pl ops -am -DskipTests package >&2 || exit 2
  for artifact in jazzer jazzer-api; do
    mvn -q -B -ntp -N dependency:copy "-Dartifact=com.code-intelligence:$artifact:$jazzer_version" "-DoutputDirectory=$root/$jars" >&2 || exit 2
  done
fi
classes=
for folder in */target/test-classes; do classes=$classes$root/$folder:; done
classes="$classes$root/ops/target/tandem/lib/*:$root/$jars/*"
java=("$JAVA_HOME/bin/java" "@$root/jvm.options" -XX:+UseSerialGC -XX:+EnableDynamicAgentLoading -cp "$classes")

jazzer() { # test class, then Jazzer's own arguments; a heap that unbounded parsers exceed at once
  "${java[@]}" -Xmx256m -Xss512k com.code_intelligence.jazzer.Jazzer "--target_class=$1" '--instrumentation_includes=dev.tandem.**:tools.jackson.core.json.**:org.msgpack.core.**' \
    '--instrumentation_excludes=dev.tandem.node.flags.Nearest:dev.tandem.corpus.**' '--custom_hook_includes=dev.tandem.**' "${@:2}" "-timeout=${TIMEOUT:-10}" -rss_limit_mb=2048 "-max_len=${MAX_LEN:-1024}"
}

fuzz() { # group
  local group=$1 file class work start executions seconds findings=0
  file=$(grep -l "Corpus.replay(\"$group\"" --include=*FuzzTest.java -r ./*/src/test/java || true)
  [ -n "$file" ] || { echo "no test replays corpus $group" >&2; exit 2; }
  class=$(echo "${file#*src/test/java/}" | sed 's:\.java$::; s:/:.:g')
  work=$root/bench/target/fuzz/$group
  rm -rf "$work/corpus" "$work/kept"
  mkdir -p "$work/corpus" "$work/kept"
  "${java[@]}" dev.tandem.corpus.Corpus unpack "corpora/$group.seeds" "corpora/$group.found" "$work/corpus"
  start=$(date +%s%N)
  (cd "$work" && jazzer "$class" $limit -print_final_stats=1 -reload=0 "-artifact_prefix=$work/" "--reproducer_path=$work" corpus) \
    > "$work/log" 2>&1 || findings=1
  seconds=$(( ($(date +%s%N) - start) / 1000000000 ))
  executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/log")
  if [ -z "$executions" ]; then tail -n 20 "$work/log" >&2; exit 2; fi
  echo "| $(date +%F) | $group | $executions | $seconds | $((executions / (seconds > 0 ? seconds : 1))) | $findings |"
  if [ $findings -ne 0 ]; then
    failed=1
    grep -a -A 25 -m 1 '^== ' "$work/log" >&2
    grep -a 'Test unit written to' "$work/log" >&2
  fi
  (cd "$work" && jazzer "$class" -merge=1 -use_counters=0 kept corpus) > "$work/merge.log" 2>&1 || true
  "${java[@]}" dev.tandem.corpus.Corpus pack "corpora/$group.seeds" "$work/kept" "corpora/$group.found" "${KEEP:-8192}"
}

failed=0
if [ "$1" = all ]; then
  for seeds in corpora/*.seeds; do fuzz "$(basename "$seeds" .seeds)"; done
else
  fuzz "$1"
fi
exit $failed
