#!/usr/bin/env bash
# Runs clang-tidy with the checks of .clang-tidy over C++ files that a preset without CUDA compiles.
#
#   tools/check_tidy.sh              what differs from main
#   tools/check_tidy.sh FILE.cc...   these files
#   tools/check_tidy.sh --all        all of them (half an hour on 2 cores)
set -euo pipefail
cd "$(dirname "$0")/.."
commands=build/release/compile_commands.json
case ${1:-} in -h|--help) sed -n '2,6p' tools/check_tidy.sh | cut -c3-; exit 0 ;; esac
command -v clang-tidy >/dev/null || { echo "tidy: not checked, clang-tidy is not installed"; exit 0; }
[ -e $commands ] || { echo "tidy: configure first: cmake --preset release" >&2; exit 1; }
case ${1:-} in
  "") mapfile -t files < <(git diff --name-only --diff-filter=d main -- '*.cc'; git ls-files --others --exclude-standard '*.cc') ;;
  --all) mapfile -t files < <(git ls-files --cached --others --exclude-standard '*.cc' ':!tests/fuzz') ;;
  *) files=("$@") ;;
esac
known=()
for file in "${files[@]}"; do
  if grep -qF "\"file\": \"$PWD/$file\"" $commands; then known+=("$file"); fi
done
if [ ${#known[@]} -eq 0 ]; then echo "tidy: no file to check"; exit 0; fi
found=$(printf '%s\0' "${known[@]}" | xargs -0 -P 2 -n 4 clang-tidy -p build/release --quiet --extra-arg=-Wno-unknown-warning-option 2>/dev/null || true)
if [ -n "$found" ]; then
  printf '%s\n' "$found"
  exit 1
fi
echo "tidy: ok, ${#known[@]} files"
