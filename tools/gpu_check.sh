#!/usr/bin/env bash
# Checks and measures the GPU path on a machine that has a GPU, the Python package torch and a checkout of the same commit, but no
# compiler and none of our Debian packages. Everything is compiled beforehand, so that time there is all measurement.
#
#   tools/gpu_check.sh pack DIR [PROGRAM...]  packs what the preset cuda built, with its libraries, into DIR: all that run needs, or PROGRAMs
#   DIR/gpu_check.sh exec DIR COMMAND...   there: runs a command that finds the packed programs on its PATH and their libraries
#   DIR/gpu_check.sh run DIR [PART...]     there, in the root of the checkout: runs the parts (all without a name), ends with a table
#
# Parts, in the order in which they run: checks (tests, parity, sanitizer side by side), chunk (-bf16 -fp8 -window12 -tiny), decode,
# text, chunk-together, sessions-fp8, sessions-window12, sessions-bf16, kernels (where a chunk's time goes: dense bf16; 0.7 fp8 at
# both windows), attention, linears; a name stands for all that begin with it.
# A part that fails does not stop the others; the exit status says whether any did.
# Environment: TIME_LIMIT_SECONDS (585) for all parts: the last are left out, or cut, when it is reached; RESULTS, a folder that gets
# table.md and logs.tar.gz anew after each part; LOGS, where logs and JSON go (DIR/logs); SESSION_SECONDS (60), STARTS (both) and
# VIEWERS of the sessions; BUDGETS of the chunks, in tenths (10,7).
set -uo pipefail

# What is worth most comes first, since a run that is cut loses its end.
all_parts=(checks chunk-bf16 chunk-fp8 chunk-window12 chunk-tiny decode text chunk-together sessions-fp8 sessions-window12
  sessions-bf16 kernels attention linears)
# Seconds that each took on one H200 (docs/performance.md) or is thought to take.
declare -A seconds_of=([checks]=53 [chunk-bf16]=28 [chunk-fp8]=24 [chunk-window12]=19 [chunk-tiny]=4 [decode]=7 [text]=3
  [kernels]=29 [chunk-together]=14 [sessions-fp8]=130 [sessions-window12]=130 [attention]=4 [linears]=2 [sessions-bf16]=130)
programs=(videodiffcr-server videodiffcr-bench videodiffcr-parity)
usage() { sed -n '5,15p' "$0" | cut -c3-; exit 2; }

# --- pack ---------------------------------------------------------------------------------------------------------------

# What the other machine has itself: the C and C++ runtime, and LibTorch and CUDA beside Python's torch.
is_there_already() {
  case $1 in
    libc.so.*|libm.so.*|libdl.so.*|librt.so.*|libpthread.so.*|libstdc++.so.*|libgcc_s.so.*|ld-linux*|linux-vdso*) return 0 ;;
    libtorch*|libc10*|libcu*|libnv*|libgomp*) return 0 ;;
  esac
  return 1
}

needed_by() { readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'; }

# FFmpeg as Debian builds it names some 100 libraries (60 MB) of which H.264 in MP4 or MPEG-TS calls x264 and zlib. The others are
# replaced by stubs (stub_library.py). That is sound because FFmpeg calls such a library only inside the codec, format or device
# that is named after it, when that one is opened; our server opens libx264 and the muxers by name and nothing else. Should a call
# get through, the stub ends the program at once instead of computing something else. Only these are called without being opened, when
# FFmpeg lists its codecs and asks which formats they take; 0 means none.
asked_when_listing="vpx_codec_get_caps vpx_codec_vp9_cx aom_codec_get_caps aom_codec_av1_cx aom_codec_version x265_api_get_199"
is_called_by_ffmpeg() {
  case $1 in libav*|libsw*|libx264*|libz.so*) return 0 ;; esac
  return 1
}

# Copies every library that the programs in $1/bin need into $1/lib, or a stub of it.
collect_libraries() {
  local stage=$1 file name path importers
  declare -A path_of
  while read -r name _ path _; do path_of[$name]=$path; done < <(ldd "$stage"/bin/* | grep '=> /')
  local queue=("$stage"/bin/*)
  local -A done_with stub_importers
  while [ ${#queue[@]} -gt 0 ]; do
    file=${queue[0]}
    queue=("${queue[@]:1}")
    for name in $(needed_by "$file"); do
      if is_there_already "$name"; then continue; fi
      case $(basename "$file") in
        libav*|libsw*) if ! is_called_by_ffmpeg "$name"; then stub_importers[$name]+=" $file"; continue; fi ;;
      esac
      if [ -n "${done_with[$name]:-}" ]; then continue; fi
      done_with[$name]=yes
      cp -L "${path_of[$name]}" "$stage/lib/$name" && strip --strip-unneeded "$stage/lib/$name" || return 1
      queue+=("$stage/lib/$name")
    done
  done
  for name in "${!stub_importers[@]}"; do
    if [ -n "${done_with[$name]:-}" ]; then continue; fi  # another library needs the real one
    read -ra importers <<<"${stub_importers[$name]}"
    python3 tools/stub_library.py "${path_of[$name]}" "$stage/lib/$name" "$asked_when_listing" "${importers[@]}" || return 1
  done
}

pack() {
  cd "$(dirname "$0")/.." || exit 1
  local out=$1 build=build/cuda tests name bytes libraries
  stage=$(mktemp -d) && mkdir -p "$stage/bin" "$stage/lib" "$out" || exit 1
  trap 'rm -rf "$stage"' EXIT
  shift
  if [ $# -gt 0 ]; then
    programs=("$@") tests=()
  else
    mapfile -t tests < <(ctest --test-dir $build -L gpu -N 2>/dev/null | sed -n 's/.*Test *#[0-9]*: //p')
  fi
  cmake --build --preset cuda --target "${programs[@]}" "${tests[@]}" || exit 1
  for name in "${programs[@]}"; do strip -o "$stage/bin/$name" "$build/bin/$name" || exit 1; done
  for name in "${tests[@]}"; do strip -o "$stage/bin/$name" "$build/tests/$name" || exit 1; done
  printf '%s' "${tests[@]/%/$'\n'}" >"$stage/gpu_tests"
  git rev-parse --short HEAD >"$stage/commit"
  collect_libraries "$stage" || exit 1
  tar -C "$stage" --sort=name --owner=0 --group=0 -c . | xz -9 >"$out/gpu_check.tar.xz" || exit 1
  cp tools/gpu_check.sh tools/gpu_check_table.py "$out/"
  bytes=$(stat -c %s "$out/gpu_check.tar.xz")
  libraries=("$stage"/lib/*)
  echo "packed $((bytes >> 10)) KiB: ${programs[*]} ${tests[*]} and ${#libraries[@]} libraries"
  if [ "$bytes" -gt $((60 << 20)) ]; then echo "that is more than 60 MiB" >&2; exit 1; fi
}

# --- run ----------------------------------------------------------------------------------------------------------------

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
  local process
  for process in /proc/[0-9]*; do
    case $(readlink "$process/exe" 2>/dev/null) in "$work"/bin/*) kill -KILL "${process#/proc/}" 2>/dev/null ;; esac
  done
}

# Model folders of the real shape, in at most $1 seconds; the second links the first one's files.
make_models() {
  limited "$1" models "$work/bin/videodiffcr-bench" make-model --output="$models/window21" --window_frames=21 &&
    limited "$1" models "$work/bin/videodiffcr-bench" make-model --output="$models/window12" --weights_from="$models/window21" \
      --window_frames=12 --sink_frames=3
}

# Parity, the sanitizer, all GPU-labelled tests and the making of the models, all at once: none of them measures a time.
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
    start_job "test-$name" env VIDEODIFFCR_SOURCE_DIR="$PWD" VIDEODIFFCR_BIN_DIR="$work/bin" "$work/bin/$name" --gtest_brief=1
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
  bench "$part" "$most" --device=cuda --precision="$precision" --model_folder="$model" --budgets="${BUDGETS:-10,7}" "$@"
}

# bench_sessions PART SECONDS PRECISION MODEL BUDGET VIEWERS
bench_sessions() {
  bench "$1" "$2" --device=cuda --precision="$3" --model_folder="$models/$4" --budget="$5" --sessions="${VIEWERS:-$6}" \
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
    chunk-together) bench_chunk "$1" "$2" fp8 "$models/window12" --sessions=4 --budgets=7 --chunks=8 ;;
    kernels)
      bench_kernels dense "$2" bf16 window21 10 && bench_kernels routed "$2" fp8 window21 7 &&
        bench_kernels window12 "$2" fp8 window12 7 ;;
    sessions-bf16) bench_sessions "$1" "$2" bf16 window21 1.0 2 ;;
    sessions-fp8) bench_sessions "$1" "$2" fp8 window21 0.7 3 ;;
    sessions-window12) bench_sessions "$1" "$2" fp8 window12 0.7 "$(python3 "$packed/gpu_check_table.py" --viewers "$logs")" ;;
    *) bench "$1" "$2" ;;
  esac
}

# bench_kernels NAME SECONDS PRECISION MODEL TENTHS
bench_kernels() {
  limited "$2" kernels "$work/bin/videodiffcr-bench" kernels --json="$logs/kernels-$1.json" --precision="$3" \
    --model_folder="$models/$4" --budgets="$5" --chunks=8
}

# Fills `chosen` with the parts that the names stand for.
choose_parts() {
  local name part found
  chosen=()
  for name in "$@"; do
    found=no
    for part in "${all_parts[@]}"; do
      case $part in "$name"|"$name"-*) chosen+=("$part"); found=yes ;; esac
    done
    if [ $found = no ]; then echo "no part '$name'; there are: ${all_parts[*]}" >&2; exit 2; fi
  done
}

# What there is so far, for who loses the machine before the end.
keep_results() {
  [ -n "${RESULTS:-}" ] || return 0
  mkdir -p "$RESULTS"
  python3 "$packed/gpu_check_table.py" "$logs" >"$RESULTS/table.md" 2>&1
  tar -C "$logs" -czf "$RESULTS/logs.partial" . && mv "$RESULTS/logs.partial" "$RESULTS/logs.tar.gz"
}

# Unpacks $1 into $work.
unpack() {
  local site
  packed=$(cd "$1" && pwd) && work=$(mktemp -d) || exit 1
  trap 'end_leftovers; rm -rf "$work" "${models:-$work}"' EXIT
  python3 -c 'import sys, tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[2])' "$packed/gpu_check.tar.xz" "$work" || exit 1
  site=$(python3 -c 'import importlib.util, os; print(os.path.dirname(os.path.dirname(importlib.util.find_spec("torch").origin)))') || exit 1
  LD_LIBRARY_PATH=$work/lib:$site/torch/lib$(printf ':%s' "$site"/nvidia/*/lib)
  export LD_LIBRARY_PATH
}

# The models lie in memory where there is room, so that no disk takes part.
prepare() {
  local root=/tmp
  unpack "$1"
  if [ "$(df --output=avail -k /dev/shm 2>/dev/null | tail -n 1)" -gt 8000000 ] 2>/dev/null; then root=/dev/shm; fi
  models=$(mktemp -d "$root/gpu_check.XXXXXX") || exit 1
  logs=${LOGS:-$packed/logs}
  mkdir -p "$logs" && rm -f "$logs"/*.log "$logs"/*.json "$logs"/*.failed "$logs"/seconds
  cp "$work/commit" "$logs/"
}

run() {
  local part began most failed=()
  limit=${TIME_LIMIT_SECONDS:-585}
  for part in sessions-bf16 sessions-fp8 sessions-window12; do seconds_of[$part]=$((2 * ${SESSION_SECONDS:-60} + 16)); done
  prepare "$1"
  shift
  [ $# -gt 0 ] || set -- "${all_parts[@]}"
  choose_parts "$@"
  case " ${chosen[*]} " in
    *' checks '*) ;;  # makes them, too
    *' chunk-'*|*' kernels '*|*' sessions-'*) make_models "$(seconds_left)" || failed+=(models) ;;
  esac
  for part in "${chosen[@]}"; do
    began=$SECONDS most=$((2 * seconds_of[$part] + 20))
    # A part that could not even do half of its work is left to another call.
    if [ $((2 * $(seconds_left))) -lt "${seconds_of[$part]}" ]; then
      echo "== $part: left out, $(seconds_left) s are left"
      failed+=("$part (left out)")
      continue
    fi
    if [ "$(seconds_left)" -lt $most ]; then most=$(($(seconds_left) - 6)); fi
    echo "== $part"
    run_part "$part" $most || failed+=("$part")
    end_leftovers
    [ ! -e "$logs/$part.log" ] || tail -n 10 "$logs/$part.log"
    echo "$part $((SECONDS - began))" | tee -a "$logs/seconds"
    keep_results
  done
  echo
  echo "failed: ${failed[*]:-none}" | tee "$logs/failed"
  python3 "$packed/gpu_check_table.py" "$logs"
  keep_results
  [ ${#failed[@]} -eq 0 ]
}

case ${1:-} in
  pack) [ $# -ge 2 ] || usage; shift; pack "$@" ;;
  exec) [ $# -ge 3 ] || usage; unpack "$2"; shift 2; PATH=$work/bin:$PATH "$@" ;;
  run) [ $# -ge 2 ] || usage; shift; run "$@" ;;
  *) usage ;;
esac
