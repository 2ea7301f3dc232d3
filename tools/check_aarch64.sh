#!/usr/bin/env bash
# Checks that what knows the processor by name compiles for AArch64 too. Seconds; nothing is linked.
set -euo pipefail
cd "$(dirname "$0")/.."
compiler=$(command -v aarch64-linux-gnu-g++ || true)
if [ -z "$compiler" ]; then
  echo "aarch64: not checked, the cross-compiler is not installed (tools/setup.sh --format installs it where it exists)"
  exit 0
fi
torch=${XDG_CACHE_HOME:-$HOME/.cache}/videodiffcr/libtorch-2.11.0/torch/include
mapfile -t sources < <(git grep -lE '__builtin_(ia32|cpu)|__aarch64__|__x86_64__|immintrin' -- '*.cc')
for source in "${sources[@]}"; do
  "$compiler" -std=c++20 -Wall -Wextra -Wno-sign-compare -fsyntax-only -I. -isystem "$torch" -DAT_PER_OPERATOR_HEADERS "$source"
done
echo "aarch64: ok (${#sources[@]} files)"
