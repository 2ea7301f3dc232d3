#!/usr/bin/env bash
# Checks and measures the GPU path on a machine that has a GPU, the Python package torch and a checkout of the same commit, but no
# compiler and none of our Debian packages. Everything is compiled beforehand, so that time there is all measurement.
#
#   tools/gpu_check.sh pack DIR            packs what the preset cuda built, with its libraries, into DIR
#   DIR/gpu_check.sh run DIR [PART...]     there, in the root of the checkout: runs the parts (all without a name), ends with a table
#
# Parts: tests, parity, sanitizer, chunk (-bf16 -fp8 -window12 -tiny), attention, linears, decode, text,
# sessions (-bf16 -fp8 -window12); a name stands for all parts that begin with it.
# Environment: LOGS, where logs and JSON go (default DIR/logs); SESSION_SECONDS (60), STARTS (both) and VIEWERS of the sessions;
# BUDGETS of the chunks, in tenths (all of the model's). A part that fails does not stop the others; the exit status says whether any did.
set -uo pipefail

all_parts=(tests parity sanitizer chunk-bf16 chunk-fp8 chunk-window12 chunk-tiny attention linears decode text
  sessions-bf16 sessions-fp8 sessions-window12)
programs=(videodiffcr-server videodiffcr-bench videodiffcr-parity)
usage() { sed -n '5,11p' "$0" | cut -c3-; exit 2; }

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
  mapfile -t tests < <(ctest --test-dir $build -L gpu -N 2>/dev/null | sed -n 's/.*Test *#[0-9]*: //p')
  cmake --build --preset cuda --target "${programs[@]}" "${tests[@]}" || exit 1
  for name in "${programs[@]}"; do strip -o "$stage/bin/$name" "$build/bin/$name" || exit 1; done
  for name in "${tests[@]}"; do strip -o "$stage/bin/$name" "$build/tests/$name" || exit 1; done
  printf '%s\n' "${tests[@]}" >"$stage/gpu_tests"
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

# Runs a command with its output in $logs/PART.log and shows the last lines; PART goes on the list when it fails.
keep() {
  local part=$1 lines=$2 status
  shift 2
  "$@" >>"$logs/$part.log" 2>&1
  status=$?
  [ $status -eq 0 ] || failed+=("$part")
  tail -n "$lines" "$logs/$part.log"
  return $status
}

run_tests() {
  local name
  while read -r name; do
    keep tests 3 env VIDEODIFFCR_SOURCE_DIR="$PWD" VIDEODIFFCR_BIN_DIR="$work/bin" timeout 300 "$work/bin/$name" --gtest_brief=1
  done <"$work/gpu_tests"
}

# Without LibTorch's caching of memory, so that a step past the end of one tensor is a step past the end of an allocation.
run_sanitizer() {
  local tool
  tool=$(command -v compute-sanitizer || echo /usr/local/cuda/bin/compute-sanitizer)
  keep sanitizer 2 env PYTORCH_NO_CUDA_MEMORY_CACHING=1 timeout 120 \
    "$tool" --tool memcheck --error-exitcode 1 "$work/bin/cuda_kernels_test" --gtest_brief=1
}

# Model folders of the real shape, made once; in memory where there is room, so that no disk takes part.
make_models() {
  [ ! -e "$models/window12/config.json" ] || return 0
  local root=/tmp
  if [ "$(df --output=avail -k /dev/shm | tail -n 1)" -gt 8000000 ]; then root=/dev/shm; fi
  models=$(mktemp -d "$root/gpu_check.XXXXXX")
  keep models 1 "$work/bin/videodiffcr-bench" make-model --output="$models/window21" --window_frames=21 &&
    keep models 1 "$work/bin/videodiffcr-bench" make-model --output="$models/window12" --weights_from="$models/window21" \
      --window_frames=12 --sink_frames=3
}

# bench PART FLAGS...: JSON beside the log.
bench() {
  local part=$1
  shift
  keep "$part" 12 timeout 400 "$work/bin/videodiffcr-bench" "${part%%-*}" --json="$logs/$part.json" "$@"
}

# bench_chunk PART PRECISION MODEL
bench_chunk() { make_models && bench "$1" --device=cuda --precision="$2" --model_folder="$models/$3" --budgets="${BUDGETS:-}"; }

# bench_sessions PART PRECISION MODEL BUDGET VIEWERS
bench_sessions() {
  make_models && bench "$1" --device=cuda --precision="$2" --model_folder="$models/$3" --budget="$4" --sessions="${VIEWERS:-$5}" \
    --seconds="${SESSION_SECONDS:-60}" --starts="${STARTS:-both}"
}

run_part() {
  case $1 in
    tests) run_tests ;;
    parity) keep parity 1 timeout 300 "$work/bin/videodiffcr-parity" --device cuda tests/golden/*.safetensors ;;
    sanitizer) run_sanitizer ;;
    chunk-bf16) bench_chunk "$1" bf16 window21 ;;
    chunk-fp8) bench_chunk "$1" fp8 window21 ;;
    chunk-window12) bench_chunk "$1" fp8 window12 ;;
    chunk-tiny) bench "$1" --device=cuda --precision=bf16 --model_folder=models/tiny --sessions=1,2,4,8 --budgets="${BUDGETS:-}" ;;
    sessions-bf16) bench_sessions "$1" bf16 window21 1.0 2 ;;
    sessions-fp8) bench_sessions "$1" fp8 window21 0.7 3 ;;
    sessions-window12) bench_sessions "$1" fp8 window12 0.7 5 ;;
    *) bench "$1" ;;
  esac
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

run() {
  local packed=$1 part began site
  shift
  [ $# -gt 0 ] || set -- "${all_parts[@]}"
  choose_parts "$@"
  work=$(mktemp -d) models=none failed=()
  trap 'rm -rf "$work" "$models"' EXIT
  logs=${LOGS:-$packed/logs}
  mkdir -p "$logs" && rm -f "$logs"/*.log "$logs"/*.json
  python3 -c 'import sys, tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[2])' "$packed/gpu_check.tar.xz" "$work" || exit 1
  site=$(python3 -c 'import importlib.util, os; print(os.path.dirname(os.path.dirname(importlib.util.find_spec("torch").origin)))') || exit 1
  LD_LIBRARY_PATH=$work/lib:$site/torch/lib$(printf ':%s' "$site"/nvidia/*/lib)
  export LD_LIBRARY_PATH
  for part in "${chosen[@]}"; do
    began=$SECONDS
    echo "== $part"
    run_part "$part"
    echo "   $((SECONDS - began)) s"
  done
  echo
  echo "commit $(cat "$work/commit"), $(date -u +%F), failed: ${failed[*]:-none}"
  python3 "$packed/gpu_check_table.py" "$logs"
  [ ${#failed[@]} -eq 0 ]
}

case ${1:-} in
  pack) [ $# -eq 2 ] || usage; pack "$2" ;;
  run) [ $# -ge 2 ] || usage; shift; run "$@" ;;
  *) usage ;;
esac
