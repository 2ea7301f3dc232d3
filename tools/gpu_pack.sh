#!/usr/bin/env bash
# Packs what the preset cuda built, with the libraries that it needs, for a machine that has a GPU and the Python package torch but
# no compiler and none of our Debian packages: everything is compiled here, so that time there is all measurement.
#
#   tools/gpu_pack.sh DIR [PROGRAM...]   into DIR, for DIR/gpu_check.sh: all that its `run` needs, or PROGRAMs for its `exec`
set -uo pipefail
case ${1:-} in ''|-h|--help) sed -n '2,5p' "$0" | cut -c3-; exit 2 ;; esac
cd "$(dirname "$0")/.." || exit 1

# What the other machine has itself: the C and C++ runtime, the driver, and LibTorch and CUDA beside Python's torch.
declare -A comes_with_torch
while read -r _ path; do comes_with_torch[${path##*/}]=yes; done < <(grep -E '^(cpu|cuda) ' tools/torch_libraries.txt)
is_there_already() {
  case $1 in
    libc.so.*|libm.so.*|libdl.so.*|librt.so.*|libpthread.so.*|libstdc++.so.*|libgcc_s.so.*|ld-linux*|linux-vdso*) return 0 ;;
    libcuda.so.*) return 0 ;;
  esac
  [ -n "${comes_with_torch[$1]:-}" ]
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
  local out=$1 build=build/cuda tests name bytes libraries
  local programs=(videodiffcr-server videodiffcr-bench videodiffcr-parity videodiffcr-train videodiffcr)
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
  cp tools/gpu_check.sh tools/gpu_check_parts.sh tools/gpu_check_table.py "$out/"
  bytes=$(stat -c %s "$out/gpu_check.tar.xz")
  libraries=("$stage"/lib/*)
  echo "packed $((bytes >> 10)) KiB: ${programs[*]} ${tests[*]} and ${#libraries[@]} libraries"
  if [ "$bytes" -gt $((60 << 20)) ]; then echo "that is more than 60 MiB" >&2; exit 1; fi
}

pack "$@"
