#!/usr/bin/env bash
# The reliability figures of docs/reliability.md on this machine's CPU, each by a program that fails when its figure does not
# hold. Under half an hour on two cores.
#
#   tools/reliability_check.sh            all of them
#   tools/reliability_check.sh NAME...    those alone: start first_chunk realtime cancel slow_reader cuts kills churn
#                                         overload budgets allocations sigterm malformed fuzz replay
#
# Needs what tools/test.sh has built. BIN names another folder of programs, FUZZ_SECONDS the time for each fuzzer (where the
# preset "fuzz" was not built, their short runs, which are tests, are all). What a figure needs many minutes for is scaled by
# SCALE (1: as the page says).
set -uo pipefail
cd "$(dirname "$0")/.."
bin=${BIN:-build/release/bin}
tests=${bin%/bin}/tests
scale=${SCALE:-1}
work=$(mktemp -d)
server_pid=
log=$work/server.log  # of what was run last
stop_server() { [ -z "$server_pid" ] || { kill "$server_pid" 2>/dev/null; wait "$server_pid" 2>/dev/null; }; server_pid=; }
trap 'stop_server; rm -rf "$work"' EXIT
rows=(); failed=0

# start_server FLAG...: on free ports; sets address and metrics.
start_server() {
  stop_server
  rm -f "$work/ports"
  "$bin/videodiffcr-server" --model-folder=models/tiny --listen=127.0.0.1:0 --metrics-listen=127.0.0.1:0 \
    --port-file="$work/ports" "$@" 2>"$work/server.log" &
  server_pid=$!
  while [ ! -e "$work/ports" ]; do
    kill -0 "$server_pid" 2>/dev/null || { cat "$work/server.log" >&2; exit 1; }
    sleep 0.05
  done
  address=127.0.0.1:$(sed -n 's/^grpc_port=//p' "$work/ports")
  metrics=http://127.0.0.1:$(sed -n 's/^metrics_port=//p' "$work/ports")/metrics
}
# load FLAG...: sets `held` to 0 if what --require names holds.
load() {
  log=$work/load.log
  "$bin/videodiffcr" load --server "$address" "$@" --json "$work/load.json" >"$log" 2>&1
  held=$?
}
figure() { python3 -c "import json,sys; print(json.load(open('$work/load.json'))['figures'][sys.argv[1]])" "$1" 2>/dev/null; }
# A figure without its fraction; 0 where the load tool has left none, which is a figure that does not hold.
whole() { local value; value=$(figure "$1"); value=${value%%.*}; echo "${value:-0}"; }
metric() { python3 -c "import sys,urllib.request
print(sum(float(l.split()[-1]) for l in urllib.request.urlopen('$metrics').read().decode().splitlines() if l.startswith(sys.argv[1])))" "$1"; }
resident_kib() { sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$server_pid/status"; }
# Once no session is left and it stays: what ended calls leave goes back to the system a little later.
resident_at_rest() {
  local before=none now
  for _ in $(seq 30); do
    now=$(resident_kib)
    if [ "$(metric 'videodiffcr_sessions{')" = 0.0 ] && [ "$now" = "$before" ]; then break; fi
    before=$now
    sleep 2
  done
  echo "$now"
}
scaled() { python3 -c "print(max(1, round($1 * $scale)))"; }

# row NAME WANTED MEASURED HOLDS(0: yes)
row() {
  rows+=("$(printf '| %s | %s | %s | %s |' "$1" "$2" "$3" "$([ "$4" = 0 ] && echo holds || echo FAILS)")")
  echo "${rows[-1]}"
  [ "$4" = 0 ] || { failed=1; tail -5 "$log" 2>/dev/null | sed 's/^/    /'; }
}
holds() { python3 -c "import sys; sys.exit(0 if ($1) else 1)"; echo $?; }
# by_tests NAME WANTED PATTERN: a row that unit or end-to-end tests prove.
by_tests() {
  log=$work/tests.log
  ctest --test-dir "${bin%/bin}" -R "$3" --no-tests=error --output-on-failure >"$log" 2>&1
  local result=$?
  row "$1" "$2" "$(sed -n 's/^\([0-9]*% tests passed.*\)/\1/p' "$log"), ctest -R '$3'" $result
}

check_start() {
  start_server
  local ready; ready=$(sed -n 's/.*ready after \([0-9.]*\)\(m\{0,1\}s\).*/\1 \2/p' "$work/server.log" | head -1)
  local seconds; seconds=$(python3 -c "v, u = '$ready'.split(); print(float(v) / (1000 if u == 'ms' else 1))")
  row "start to SERVING" "<= 2 s" "$seconds s" "$(holds "$seconds <= 2")"
}
check_first_chunk() {
  start_server
  load --arrivals closed:1 --duration "$(scaled 20)s" --chunks 1 --require 'first_chunk_p99_ms<=150,failed==0'
  row "first chunk, one session, p99" "<= 150 ms" "$(figure first_chunk_p99_ms) ms of $(figure sessions) sessions" $held
}
check_realtime() {
  start_server
  load --arrivals burst:4@1h --duration 1s --chunks "$(scaled 60)" --require 'cpr>=0.99,finished==4,lost==0'
  row "4 real-time sessions" "CPR >= 0.99" "CPR $(figure cpr)" $held
  load --arrivals burst:32@1h --duration 1s --chunks 8 --playout off --require 'finished==32,lost==0'
  row "32 sessions at once" "all finish" "$(figure finished) finished" $held
}
check_cancel() { by_tests "cancel to KV free" "<= 2 steps" 'server_control_test|^control_test$|session_call_test|session_resume_test'; }
# Viewers at playing speed: flat out, the chunks that a slow reader does take would be a third share of the machine.
check_slow_reader() {
  start_server
  load --arrivals burst:2@1h --duration 1s --chunks "$(scaled 40)"
  local calm; calm=$(figure interval_p99_ms)
  "$bin/videodiffcr" load --server "$address" --arrivals closed:1 --duration "$(scaled 40)s" --chunks 200 --playout off \
    --slow-share 1 --slow-pause 2s >/dev/null 2>&1 &
  local slow=$!
  load --arrivals burst:2@1h --duration 1s --chunks "$(scaled 40)" --require 'cpr>=1,lost==0'
  local beside; beside=$(figure interval_p99_ms)
  local buffered; buffered=$(metric videodiffcr_send_buffer_bytes)
  kill $slow 2>/dev/null; wait $slow 2>/dev/null
  row "slow reader beside two viewers" "their p99 +10 % at most, CPR 1, <= 8 MiB held" \
    "$calm to $beside ms, CPR $(figure cpr), $buffered bytes" \
    "$(holds "$held == 0 and $beside <= 1.1 * $calm and $buffered <= 8 * 2**20")"
}
check_cuts() {
  start_server
  local wanted cuts=0 rounds=0 lost=0 damaged=0 changed=0 verified=0; wanted=$(scaled 1000)
  while [ "$cuts" -lt "$wanted" ] && [ "$rounds" -lt 20 ]; do
    load --arrivals closed:4 --duration "$(scaled 60)s" --chunks 16..48 --playout off --cut-share 0.5 --verify 1 \
      --require "lost==0,damaged==0,changed==0,failed==0"
    cuts=$((cuts + $(whole resumes))); verified=$((verified + $(whole verified))); rounds=$((rounds + 1))
    lost=$((lost + $(whole lost))); damaged=$((damaged + $(whole damaged))); changed=$((changed + $(whole changed)))
    [ "$held" = 0 ] || break
  done
  row "random cut and resume" "$wanted cuts: 0 lost, doubled or changed" \
    "$cuts cuts: $lost lost, $damaged damaged, $changed changed of $verified" \
    "$(holds "$cuts >= $wanted and $held == 0")"
}
check_kills() {
  local kills; kills=$(scaled 100); log=$work/tests.log
  # The program itself: ctest would end it after the test's usual time, which is of three kills.
  VIDEODIFFCR_KILLS=$kills VIDEODIFFCR_BIN_DIR=$bin VIDEODIFFCR_SOURCE_DIR=$PWD timeout 3600 "$tests/e2e_hand_over_test" \
    --gtest_filter='HandOverTest.ServersThatAreKilled*' >"$log" 2>&1
  local result=$?
  row "server killed under a session" "$kills kills: nothing lost or doubled" \
    "$kills kills: $(grep -c 'Failure$' "$log") expectations failed" $result
}
check_churn() {
  start_server
  load --arrivals closed:16 --duration 10s --chunks 1..2 --playout off --kill-share 1
  local before; before=$(resident_at_rest)
  local wanted sessions=0; wanted=$(scaled 10000)
  while [ "$sessions" -lt "$wanted" ]; do
    load --arrivals closed:16 --duration "$(scaled 60)s" --chunks 1..2 --playout off --kill-share 1
    sessions=$((sessions + $(whole sessions)))
    [ "$(whole sessions)" -gt 0 ] || break
  done
  local after kv; after=$(resident_at_rest); kv=$(metric 'videodiffcr_kv_cache_bytes{')
  row "open and cancel" "$wanted: RSS +8 MiB at most, KV bytes 0" "$sessions: RSS $((after - before)) KiB more, KV bytes $kv" \
    "$(holds "$after - $before <= 8192 and $kv == 0 and $sessions >= $wanted")"
}
check_overload() {
  start_server --max-sessions=4 --max-waiting-sessions=0
  load --arrivals closed:4 --duration "$(scaled 20)s" --chunks 8 --playout off
  local calm; calm=$(figure interval_p99_ms)
  load --arrivals closed:16 --duration "$(scaled 30)s" --chunks 8 --playout off --require 'failed==0'
  local refusal admitted; refusal=$(figure refusal_p99_ms); admitted=$(figure interval_p99_ms)
  row "overload 4x" "refusals p99 <= 10 ms, admitted p99 <= 1.2x calm" \
    "$(figure refused) refusals, p99 $refusal ms; admitted $calm to $admitted ms" \
    "$(holds "$(figure refused) > 0 and $refusal <= 10 and $admitted <= 1.2 * $calm")"
}
check_budgets() {
  local sessions=${BUDGET_SESSIONS:-12} off on crossed
  start_server --no-budget-controller --no-slack-admission
  load --arrivals "burst:$sessions@1h" --duration 1s --chunks 24 --floor 0.5
  off=$(figure misses)
  start_server --no-slack-admission
  load --arrivals "burst:$sessions@1h" --duration 1s --chunks 24 --floor 0.5
  on=$(figure misses); crossed=$(figure floor_crossed)
  row "budget controller, $sessions real-time sessions" "misses <= half of controller off; floor crossed 0 times" \
    "$on with, $off without; floor crossed $crossed times; mean budget $(figure mean_budget)" \
    "$(holds "$on <= $off / 2 and $crossed == 0")"
}
check_allocations() { by_tests "allocation failures" "0 crashes, other sessions byte-equal" 'lost_memory_test|^failure_test$'; }
check_sigterm() { by_tests "SIGTERM" "NOT_SERVING first, no truncated chunk, exit 0" 'e2e_shutdown_test|server_lifecycle_test'; }
check_malformed() { by_tests "malformed input" "the right code, no crash, no hang" 'server_bad_input_test|server_protocol_test|message_parsing_test'; }
check_fuzz() {
  local fuzzer name seeds longest found=0 broken=0
  for fuzzer in build/fuzz/fuzz/*_fuzz; do
    [ -x "$fuzzer" ] || continue
    found=$((found + 1))
    name=$(basename "$fuzzer" _fuzz); mkdir -p "$work/inputs/$name"
    seeds=tests/fuzz/seeds/$name; [ -d "$seeds" ] || seeds=
    case $name in message_order) longest=60 ;; mp4) longest=128 ;; *) longest=4200 ;; esac
    # What a fuzzer finds is written where the script is run, crash-* or timeout-*.
    timeout $((${FUZZ_SECONDS:-60} + 60)) "$fuzzer" -max_total_time="${FUZZ_SECONDS:-60}" -max_len="$longest" "$work/inputs/$name" $seeds \
      >"$work/fuzz.log" 2>&1 || { broken=$((broken + 1)); tail -20 "$work/fuzz.log" >&2; }
  done
  if [ "$found" -eq 0 ]; then by_tests "fuzz: short runs alone, without the preset fuzz" "no finding" '_fuzz$'; return; fi
  row "fuzz" "no finding" "$found fuzzers, ${FUZZ_SECONDS:-60} s each: $broken broke" "$broken"
}
check_replay() {
  start_server
  load --arrivals closed:4 --duration "$(scaled 20)s" --chunks 12 --playout off --verify 1 --require 'changed==0,verified>=1,lost==0'
  local first; first="$(figure changed) changed of $(figure verified) chunks"
  row "replay by seed, four at once against alone" "bit-equal" "$first" $held
}

names=(start first_chunk realtime cancel slow_reader cuts kills churn overload budgets allocations sigterm malformed fuzz replay)
[ $# -eq 0 ] || names=("$@")
echo "| property | wanted | measured | |"; echo "|---|---|---|---|"
for name in "${names[@]}"; do
  declare -F "check_$name" >/dev/null || { echo "reliability_check: there is no figure '$name'" >&2; exit 2; }
  "check_$name"
done
exit $failed
