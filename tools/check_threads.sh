#!/usr/bin/env bash
# What g++ does not see: clang holds every lock annotation to the code while it compiles scheduler, server, client and gateway, and their
# tests run under the thread sanitizer (preset clang, without LibTorch and not optimised: compiling takes longer than running).
# Arguments go to ctest.
set -euo pipefail
cd "$(dirname "$0")/.."
case ${1:-} in -h|--help) sed -n '2,4p' tools/check_threads.sh | cut -c3-; exit 0 ;; esac
if ! command -v clang++ >/dev/null; then
  echo "threads: not checked, clang is not installed (tools/setup.sh --format installs it where it exists)"
  exit 0
fi
mkdir -p build
cmake --preset clang >build/configure-clang.log 2>&1 || { cat build/configure-clang.log >&2; exit 1; }
mapfile -t tests < <(ctest --preset clang -N | sed -n 's/.*Test *#[0-9]*: //p')
cmake --build --preset clang --target videodiffcr "${tests[@]}"
exec ctest --preset clang --no-tests=error "$@"
