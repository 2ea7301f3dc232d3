#!/usr/bin/env bash
# What the gate does with a test that fails in the crowd: up to three run once more, alone. Those that pass then are races in
# time, which are named, to be mended, and hold up nobody else. A report of the thread sanitizer is never run again.
#
#   tools/ctest_gate.sh PRESET       after `ctest --preset PRESET` has failed
set -euo pipefail
cd "$(dirname "$0")/.."
case ${1:--h} in -h|--help) sed -n '2,5p' tools/ctest_gate.sh | cut -c3-; exit 0 ;; esac
logs=build/$1/Testing/Temporary
failed=$logs/LastTestsFailed.log
[ -s "$failed" ] && [ "$(wc -l <"$failed")" -le 3 ] || exit 1
if grep -q 'WARNING: ThreadSanitizer' "$logs/LastTest.log"; then exit 1; fi
echo "gate: once more, alone:"
cat "$failed"
ctest --preset "$1" --rerun-failed
echo "gate: these passed alone only; mend the race" >&2
