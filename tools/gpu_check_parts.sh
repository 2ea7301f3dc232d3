# The parts of tools/gpu_check.sh, which reads this: their names, what time they take, the models they need, and what each runs.
# shellcheck shell=bash disable=SC2154  # of gpu_check.sh: work, the unpacked programs; models and logs, folders; packed, DIR

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
# would be 40 GB.
train_videodiffcr() {
  local name=$1 most=$2 teacher=$3 steps=$4
  shift 4
  train "$name" "$most" videodiffcr --model "$models/window21" --teacher "$teacher" --fake-score "$models/window21" \
    --score-attention bidirectional --target 0.7 --critic-only-steps 0 --warmup-steps 1 --steps "$steps" --timed-steps "$steps" "$@"
}
