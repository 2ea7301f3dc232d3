#!/usr/bin/env bash
# Checks and measures the GPU path on a machine that has a GPU, the Python package torch and a checkout of the same commit, but no
# compiler and none of our Debian packages. Everything is compiled beforehand, so that time there is all measurement.
#
#   tools/gpu_check.sh pack DIR            packs what the preset cuda built, with its libraries, into DIR
#   DIR/gpu_check.sh run DIR [PART...]     there, in the root of the checkout: runs the parts (all without a name), ends with a table
#
# Parts: tests parity sanitizer
# A part that fails does not stop the others; the exit status says whether any did. Environment: LOGS, where logs and JSON go
# (default DIR/logs).
set -uo pipefail

all_parts=(tests parity sanitizer)
programs=(videodiffcr-server videodiffcr-bench videodiffcr-parity)
usage() { sed -n '5,10p' "$0" | cut -c3-; exit 2; }

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
  local out=$1 build=build/cuda tests
  stage=$(mktemp -d) && mkdir -p "$stage/bin" "$stage/lib" "$out" || exit 1
  trap 'rm -rf "$stage"' EXIT
  tests=$(ctest --test-dir $build -L gpu -N | sed -n 's/.*Test *#[0-9]*: //p')
  cmake --build --preset cuda --target "${programs[@]}" $tests || exit 1
  for name in "${programs[@]}"; do strip -o "$stage/bin/$name" "$build/bin/$name" || exit 1; done
  for name in $tests; do strip -o "$stage/bin/$name" "$build/tests/$name" || exit 1; done
  echo "$tests" >"$stage/gpu_tests"
  git rev-parse --short HEAD >"$stage/commit"
  collect_libraries "$stage" || exit 1

  tar -C "$stage" --sort=name --owner=0 --group=0 -c . | xz -9 >"$out/gpu_check.tar.xz" || exit 1
  cp tools/gpu_check.sh "$out/"
  local bytes
  bytes=$(stat -c %s "$out/gpu_check.tar.xz")
  echo "packed $((bytes >> 10)) KiB: $(ls "$stage/bin" | tr '\n' ' ')and $(ls "$stage/lib" | wc -l) libraries, $(find "$stage/lib" -size -64k | wc -l) of them under 64 KiB"
  if [ "$bytes" -gt $((60 << 20)) ]; then echo "that is more than 60 MiB" >&2; exit 1; fi
}

# --- run ----------------------------------------------------------------------------------------------------------------

# Runs a command with its output in $logs/PART.log, keeps what becomes of it, shows the last lines.
log_of() {
  local part=$1 lines=$2 status
  shift 2
  "$@" >>"$logs/$part.log" 2>&1
  status=$?
  [ $status -eq 0 ] || failed+=("$part")
  tail -n "$lines" "$logs/$part.log"
  return $status
}

part_tests() {
  local name
  for name in $(cat "$work/gpu_tests"); do
    VIDEODIFFCR_SOURCE_DIR=$PWD VIDEODIFFCR_BIN_DIR=$work/bin log_of tests 3 timeout 300 "$work/bin/$name" --gtest_brief=1
  done
}

part_parity() { log_of parity 1 timeout 300 "$work/bin/videodiffcr-parity" --device cuda tests/golden/*.safetensors; }

# Without LibTorch's caching of memory, so that a step past the end of one tensor is a step past the end of an allocation.
part_sanitizer() {
  local tool
  tool=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer)
  PYTORCH_NO_CUDA_MEMORY_CACHING=1 log_of sanitizer 2 timeout 120 "$tool" --tool memcheck --error-exitcode 1 "$work/bin/cuda_kernels_test" --gtest_brief=1
}

run() {
  local packed=$1 part began
  shift
  work=$(mktemp -d)
  logs=${LOGS:-$packed/logs}
  failed=()
  mkdir -p "$logs" && rm -f "$logs"/*.log "$logs"/*.json
  trap 'rm -rf "$work"' EXIT
  python3 -c 'import sys, tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[2])' "$packed/gpu_check.tar.xz" "$work" || exit 1
  local site
  site=$(python3 -c 'import importlib.util, os; print(os.path.dirname(os.path.dirname(importlib.util.find_spec("torch").origin)))') || exit 1
  LD_LIBRARY_PATH=$work/lib:$site/torch/lib:$(ls -d "$site"/nvidia/*/lib | tr '\n' ':')
  export LD_LIBRARY_PATH
  [ $# -gt 0 ] || set -- "${all_parts[@]}"
  for part in "$@"; do
    case " ${all_parts[*]} " in *" $part "*) ;; *) echo "no part '$part'; there are: ${all_parts[*]}" >&2; exit 2 ;; esac
  done
  for part in "$@"; do
    began=$SECONDS
    echo "== $part"
    "part_$part"
    echo "   $((SECONDS - began)) s"
  done
  [ ${#failed[@]} -eq 0 ]
}

case ${1:-} in
  pack) [ $# -eq 2 ] || usage; pack "$2" ;;
  run) [ $# -ge 2 ] || usage; shift; run "$@" ;;
  *) usage ;;
esac
