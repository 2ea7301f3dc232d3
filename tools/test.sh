#!/usr/bin/env bash
# Builds everything and runs every test that needs no GPU. Does all the set-up it needs.
set -euo pipefail
cd "$(dirname "$0")/.."
tools/setup.sh --test
cmake --preset release >/dev/null
cmake --build --preset release
ctest --preset release "$@"
