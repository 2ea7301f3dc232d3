#!/usr/bin/env bash
# Builds everything and runs every test that needs no GPU. Does all the set-up it needs. Arguments go to ctest:
#
#   tools/test.sh -L unit           only the unit tests
#   tools/test.sh -R client_test    only tests whose name matches
#   tools/test.sh -j 1              one at a time, instead of one per processor
set -euo pipefail
cd "$(dirname "$0")/.."
case ${1:-} in -h|--help) sed -n '2,6p' tools/test.sh | cut -c3-; exit 0 ;; esac
tools/setup.sh --test
echo "test: building (the first time takes several minutes)"
mkdir -p build
cmake --preset release >build/configure.log 2>&1 || { cat build/configure.log >&2; exit 1; }
cmake --build --preset release
jobs=$(nproc)
if [ "$jobs" -gt 8 ]; then jobs=8; fi  # a test of training takes up to 2 GiB
exec ctest --preset release --no-tests=error -j "$jobs" "$@"
