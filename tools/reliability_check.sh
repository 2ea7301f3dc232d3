#!/usr/bin/env bash
# The reliability figures of docs/reliability.md, each by a program that fails when its figure does not hold. About half an hour
# on two cores.
#
#   tools/reliability_check.sh            all of them
#   tools/reliability_check.sh NAME...    those alone: start first_chunk overhead realtime cancel slow_reader cuts kills churn
#                                         overload budgets allocations sigterm malformed fuzz sanitizers replay
#
# Needs what tools/test.sh has built. BIN names another folder of programs, FUZZ_SECONDS the time for each fuzzer (where the
# preset "fuzz" was not built, their short runs, which are tests, are all). What a figure needs many minutes for is scaled by
# SCALE (1: as the page says). `sanitizers` runs what of the presets asan, tsan and clang was built.
#
# DEVICE=cuda measures a GPU, against the marks of the other column, with PRECISION (fp8), MODEL_FOLDER, VIEWERS (3, in real time
# at BUDGET, 0.7) and BUDGET_SESSIONS (4); without names all but those that tests prove. `gpu_check.sh run DIR reliability` does it.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
bin=${BIN:-build/release/bin}
tests=${bin%/bin}/tests
scale=${SCALE:-1}
device=${DEVICE:-cpu}
model=${MODEL_FOLDER:-models/tiny}
# What is wanted, by device. `alone`: a video is bit-equal in any company on the CPU, and on a GPU when it is made alone.
case $device in
  cpu)
    device_flags=() prompts=() viewers=${VIEWERS:-4} budget=${BUDGET:-1} alone=closed:4 cut_length=8..24
    start_s=2 first_ms=150 overhead_ms=3 least_cpr=0.99 cancel_s=0.05 held_mib=8 wanted_cuts=1000 wanted_churn=10000
    resident_mib=8 slowed=1.1 ;;
  cuda)
    device_flags=(--device=cuda --precision="${PRECISION:-fp8}")
    prompts=(--prompt "a large red circle moves right fast on a navy checkered background")  # a made model knows no examples
    viewers=${VIEWERS:-3} budget=${BUDGET:-0.7} alone=closed:1 cut_length=8..16
    start_s=60 first_ms=200 overhead_ms=10 least_cpr=0.995 cancel_s=0.25 held_mib=32 wanted_cuts=200 wanted_churn=1000
    # Not asked of a GPU, where one chunk of anybody is a third of the time between two of a viewer's.
    resident_mib=inf slowed=inf ;;
  *) echo "reliability_check: DEVICE is '$device'; it must be cpu or cuda" >&2; exit 2 ;;
esac
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
  "$bin/videodiffcr-server" --model-folder="$model" "${device_flags[@]}" --listen=127.0.0.1:0 --metrics-listen=127.0.0.1:0 \
    --admin-listen=127.0.0.1:0 --port-file="$work/ports" "$@" 2>"$work/server.log" &
  server_pid=$!
  while [ ! -e "$work/ports" ]; do
    kill -0 "$server_pid" 2>/dev/null || { cat "$work/server.log" >&2; exit 1; }
    sleep 0.05
  done
  address=127.0.0.1:$(sed -n 's/^grpc_port=//p' "$work/ports")
  metrics=http://127.0.0.1:$(sed -n 's/^metrics_port=//p' "$work/ports")/metrics
  admin=127.0.0.1:$(sed -n 's/^admin_port=//p' "$work/ports")
}
# load FLAG...: sets `held` to 0 if what --require names holds.
load() {
  log=$work/load.log
  "$bin/videodiffcr" load --server "$address" "${prompts[@]}" --budgets "$budget" "$@" --json "$work/load.json" >"$log" 2>&1
  held=$?
}
load_in_background() { log=$work/load.log; ( load "$@" ) & background=$!; }
figure() { python3 -c "import json,sys; print(json.load(open('$work/load.json'))['figures'][sys.argv[1]])" "$1" 2>/dev/null; }
# A figure without its fraction; 0 where the load tool has left none, which is a figure that does not hold.
whole() { local value; value=$(figure "$1"); value=${value%%.*}; echo "${value:-0}"; }
# metric START [PART]: the sum over all samples that begin so and have that part.
metric() { python3 -c "import sys,urllib.request
print(sum(float(l.split()[-1]) for l in urllib.request.urlopen('$metrics').read().decode().splitlines()
          if l.startswith(sys.argv[1]) and sys.argv[2] in l))" "$1" "${2:-}"; }
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
now_ms() { date +%s%3N; }
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
  row "start to SERVING" "<= $start_s s" "$seconds s" "$(holds "$seconds <= $start_s")"
}
check_first_chunk() {
  start_server
  load --arrivals closed:1 --duration "$(scaled 20)s" --chunks 1 --require "first_chunk_p99_ms<=$first_ms,failed==0"
  row "first chunk, one session, p99" "<= $first_ms ms" "$(figure first_chunk_p99_ms) ms of $(figure sessions) sessions" $held
}
# Viewers in real time, of whom overhead and deadlines are told: one load for both rows.
viewers_known=no
watch_viewers() {
  [ $viewers_known = no ] || return 0
  start_server
  load --arrivals "burst:$viewers@1h" --duration 1s --chunks "$(scaled 60)"
  viewers_overhead="p50 $(figure overhead_p50_ms), p99 $(figure overhead_p99_ms) ms of $(figure chunks) chunks"
  viewers_cpr="CPR $(figure cpr), least $(figure least_cpr)"
  overhead_held=$(holds "$held == 0 and $(figure overhead_p99_ms) <= $overhead_ms and $(whole lost) == 0 < $(whole chunks)")
  cpr_held=$(holds "$held == 0 and $(figure cpr) >= $least_cpr and $(whole finished) == $viewers and $(whole lost) == 0")
  viewers_known=yes
}
check_overhead() {
  watch_viewers
  row "server overhead per chunk, $viewers viewers, p99" "<= $overhead_ms ms" "$viewers_overhead" "$overhead_held"
}
check_realtime() {
  watch_viewers
  row "$viewers real-time sessions" "CPR >= $least_cpr" "$viewers_cpr" "$cpr_held"
  start_server
  load --arrivals burst:32@1h --duration 1s --chunks 8 --playout off --require 'finished==32,lost==0'
  row "32 sessions at once" "all finish" "$(figure finished) finished" $held
}
# within_seconds HISTOGRAM SECONDS: samples that were as short, and all. SECONDS is one of its buckets.
within_seconds() { echo "$(metric "$1_bucket{" "le=\"$2\"") $(metric "$1_count{")"; }
check_cancel() {
  start_server
  load --arrivals closed:4 --duration "$(scaled 20)s" --chunks 8 --playout off --kill-share 1 --require 'failed==0,killed>=1'
  local within all kv
  resident_at_rest >/dev/null
  read -r within all < <(within_seconds videodiffcr_cancel_latency_seconds "$cancel_s")
  kv=$(metric 'videodiffcr_kv_cache_bytes{')
  row "cancel to KV free" "<= $cancel_s s" "$within of $all cancels, KV bytes $kv" "$(holds "$held == 0 and $within == $all > 0 and $kv == 0")"
  [ "$device" != cpu ] || by_tests "the same in steps" "<= 2 steps" 'server_control_test|^control_test$|session_call_test|session_resume_test'
}
# Viewers at playing speed: flat out, the chunks that a slow reader does take would be a third share of the machine.
check_slow_reader() {
  start_server
  local chunks; chunks=$(scaled 120)  # of 78 the p99 would be the greatest
  load --arrivals burst:2@1h --duration 1s --chunks "$chunks" --require 'cpr>=1,lost==0'
  local calm calm_held=$held; calm=$(figure interval_p99_ms)
  # Into a pipe that is read a little at a time; on a CPU whole frames, so that the connection's own buffers are soon full.
  local video=$work/slow.mp4 bite=65536 most=$((held_mib * 2**20))
  [ "$device" != cpu ] || video=$work/slow.rgb bite=552960 most=$((4 * 552960))  # chunks of `tiny`
  mkfifo "$video"
  while sleep 2; do head -c $bite; done <>"$video" >/dev/null &
  local reader=$!
  "$bin/videodiffcr" generate --server "$address" --prompt "${prompts[1]:-a red circle moves right}" --budget "$budget" \
    --chunks 400 --output "$video" >/dev/null 2>&1 &
  local slow=$!
  sleep 5  # until it is held back: before that it is a third viewer
  load --arrivals burst:2@1h --duration 1s --chunks "$chunks" --require 'cpr>=1,lost==0'
  local beside; beside=$(figure interval_p99_ms)
  local buffered=0 now
  for _ in $(seq 12); do  # the most, over some of its reads
    now=$(metric videodiffcr_send_buffer_bytes); now=${now%.*}; [ "$now" -le "$buffered" ] || buffered=$now
    sleep 0.5
  done
  kill $slow $reader 2>/dev/null; wait $slow $reader 2>/dev/null
  row "slow reader beside two viewers" "their p99 times $slowed at most, CPR 1, <= $most bytes held" \
    "$calm to $beside ms, CPR $(figure cpr), $buffered bytes" \
    "$(holds "$calm_held == 0 and $held == 0 and $beside <= float('$slowed') * $calm and 0 < $buffered <= $most")"
}
check_cuts() {
  start_server
  local wanted cuts=0 rounds=0 lost=0 damaged=0 changed=0 verified=0; wanted=$(scaled $wanted_cuts)
  while [ "$cuts" -lt "$wanted" ] && [ "$rounds" -lt 40 ]; do
    load --arrivals $alone --duration "$(scaled 30)s" --chunks $cut_length --playout off --cut-share 0.75 --verify 1 \
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
  grep -A6 'Failure$' "$log" | head -40 | sed 's/^/    /' >&2
  row "server killed under a session" "$kills kills: nothing lost or doubled" \
    "$kills kills: $(grep -c 'Failure$' "$log") expectations failed" $result
}
check_churn() {
  local budget=0.5  # the fastest: what counts is how many, not what they show
  start_server
  local fresh; fresh=$(resident_at_rest)
  local piece=(--arrivals closed:16 --chunks 1..2 --playout off --kill-share 1)
  load "${piece[@]}" --duration "$(scaled 60)s"  # what a process takes once: arenas, the library's pools, a first encoder of each thread
  local before gpu_before; before=$(resident_at_rest); gpu_before=$(metric 'videodiffcr_gpu_memory_bytes{')
  local wanted sessions=0; wanted=$(scaled $wanted_churn)
  while [ "$sessions" -lt "$wanted" ]; do
    load "${piece[@]}" --duration "$(scaled 30)s"
    sessions=$((sessions + $(whole sessions)))
    [ "$(whole sessions)" -gt 0 ] || break
  done
  local after kv gpu; after=$(resident_at_rest); kv=$(metric 'videodiffcr_kv_cache_bytes{')
  gpu=$(metric 'videodiffcr_gpu_memory_bytes{')
  row "open and cancel" "$wanted: RSS +$resident_mib MiB at most, KV bytes 0, GPU bytes as before" \
    "$sessions: RSS $((after - before)) KiB more ($((after - fresh)) than just started), KV bytes $kv, GPU bytes $gpu_before to $gpu" \
    "$(holds "$after - $before <= float('$resident_mib') * 1024 and $kv == 0 and $gpu == $gpu_before and $sessions >= $wanted")"
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
# viewers_at BUDGET: so many in real time the engine can serve, by chunks flat out.
viewers_at() {
  local budget=$1
  load --arrivals closed:4 --duration 10s --chunks 8 --playout off
  python3 -c "print(f'{4 * 750 / $(figure interval_p50_ms):.1f}')"
}
# give_way SESSIONS NAME
give_way() {
  local off on crossed budget=1
  start_server --no-budget-controller --no-slack-admission
  load --arrivals "burst:$1@1h" --duration 1s --chunks 24 --floor 0.5
  off=$(figure misses)
  start_server --no-slack-admission
  load --arrivals "burst:$1@1h" --duration 1s --chunks 24 --floor 0.5
  on=$(figure misses); crossed=$(figure floor_crossed)
  row "budget controller, $1 real-time sessions: $2" "misses <= half of controller off; floor crossed 0 times" \
    "$on with, $off without; floor crossed $crossed times; mean budget $(figure mean_budget)" \
    "$(holds "$on <= $off / 2 and $crossed == 0")"
}
# At 1.1 to 1.2 times what dense bears on two cores, and at what the floor just bears.
check_budgets() {
  start_server
  local dense floor; dense=$(viewers_at 1); floor=$(viewers_at 0.5)
  local borne="at 1 the engine bears $dense, at the floor of 0.5 $floor"
  give_way "${BUDGET_SESSIONS:-$([ "$device" = cpu ] && echo 12 || echo 4)}" "$borne"
  give_way "$(python3 -c "print(int($floor))")" "as many as the floor bears"
}
check_allocations() {
  local failures; failures=$(scaled 100); log=$work/tests.log
  # The program itself: ctest would end it after the test's usual time, which is of a few failures.
  VIDEODIFFCR_ALLOCATION_FAILURES=$failures "$tests/lost_memory_test" --gtest_filter='*AtARandomPlace*' >"$log" 2>&1
  local result=$?
  row "allocation failures at random places" "$failures: 0 crashes, the other session byte-equal" \
    "$(sed -n 's/^\([0-9]* of [0-9]* allocations failed.*\)/\1/p' "$log")" $result
  by_tests "the same, by tests" "every place of a clip; passes, decodes, sinks" 'lost_memory_test|^failure_test$'
}
# until_not_ready PID: ends it with SIGTERM and tells after how many ms its metrics say that it is not ready, which it says at once
# with the port for probes. One process asks again and again: a `videodiffcr health` takes 60 to 130 ms to start.
until_not_ready() { python3 -c "import os,signal,sys,time,urllib.request
began = time.monotonic()
os.kill(int(sys.argv[1]), signal.SIGTERM)
try:
  while b'\\nvideodiffcr_ready 1' in urllib.request.urlopen('$metrics', timeout=5).read(): time.sleep(0.001)
except OSError: pass
print(round(1000 * (time.monotonic() - began)))" "$1"; }
# Under load, which has a chunk in progress for each: how long until it says that it does not serve, until the process is gone, and
# how.
check_sigterm() {
  start_server
  load_in_background --arrivals "burst:$viewers@1h" --duration 1s --chunks 400 --playout off
  sleep 3
  local began flipped ended status
  began=$(now_ms)
  flipped=$(until_not_ready "$server_pid")
  if "$bin/videodiffcr" health --server "$admin" --timeout 50ms >/dev/null 2>&1; then flipped=inf; fi
  wait "$server_pid"; status=$?; server_pid=; ended=$(($(now_ms) - began))
  wait "$background"
  row "SIGTERM under load" "NOT_SERVING <= 100 ms, 0 truncated chunks, exit 0 <= 30 s" \
    "$flipped ms, $(figure damaged) damaged of $(figure chunks), exit $status after $ended ms" \
    "$(holds "float('$flipped') <= 100 and $ended <= 30000 and $status == 0 and $(whole damaged) == 0 and $(whole chunks) > 0")"
  [ "$device" != cpu ] || by_tests "the same, by tests" "NOT_SERVING first, files play" 'e2e_shutdown_test|server_lifecycle_test'
}
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
# Each preset's tests of scheduler, server, client, gateway and protocol: what the sanitizers' builds have in common.
check_sanitizers() {
  local preset found=0
  for preset in asan tsan clang; do
    [ -e "build/$preset/CTestTestfile.cmake" ] || continue
    found=$((found + 1)); log=$work/tests.log
    ctest --test-dir "build/$preset" -L '^(scheduler|server|integration|client|gateway)$' -LE '^(e2e|one_thread)$' --no-tests=error --output-on-failure >"$log" 2>&1
    local result=$?
    row "sanitizers, preset $preset" "0 reports" "$(sed -n 's/^\([0-9]*% tests passed.*\)/\1/p' "$log")" $result
  done
  [ "$found" -gt 0 ] || row "sanitizers" "0 reports" "none of the presets asan, tsan, clang was built" 1
}
check_replay() {
  start_server
  load --arrivals $alone --duration "$(scaled 20)s" --chunks 12 --playout off --verify 1 --require 'changed==0,verified>=1,lost==0'
  local first; first="$(figure changed) changed of $(figure verified) chunks"
  row "replay by seed, $alone against alone" "bit-equal" "$first" $held
}

names=(start first_chunk overhead realtime cancel slow_reader cuts kills churn overload budgets allocations sigterm malformed fuzz
  sanitizers replay)
[ "$device" = cpu ] || names=(start first_chunk overhead realtime cancel slow_reader cuts churn overload budgets sigterm replay)
[ $# -eq 0 ] || names=("$@")
echo "| property | wanted | measured | |"; echo "|---|---|---|---|"
for name in "${names[@]}"; do
  declare -F "check_$name" >/dev/null || { echo "reliability_check: there is no figure '$name'" >&2; exit 2; }
  began=$SECONDS
  "check_$name"
  echo "    $name took $((SECONDS - began)) s" >&2
done
exit $failed
