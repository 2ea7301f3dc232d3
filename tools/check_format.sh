#!/usr/bin/env bash
# Checks that every C++ file is formatted as .clang-format says and has 400 lines at most, new ones that git does not know
# yet among them.
#
#   tools/check_format.sh          names the files that are not, and exits 1
#   tools/check_format.sh --fix    formats them; where to split one that is too long is for you to say
set -euo pipefail
cd "$(dirname "$0")/.."
mapfile -t sources < <(git ls-files --cached --others --exclude-standard '*.h' '*.cc' '*.cu' '*.cuh')
if [ $# = 0 ]; then
  long=$(wc -l "${sources[@]}" | awk '$2 != "total" && $1 > 400 { print $2 ": " $1 " lines" }')
  if [ -n "$long" ]; then
    printf '%s\n' "$long" "format: a file has 400 lines at most: split these by what they are about" >&2
    exit 1
  fi
fi
formatter=$(command -v clang-format-14 || command -v clang-format || true)
if [ -z "$formatter" ] || ! "$formatter" --version | grep -q 'version 14\.'; then
  # Other versions break lines elsewhere: their verdict would depend on the machine.
  echo "format: not checked, clang-format 14 is not installed (tools/setup.sh --format installs it where it exists)"
  exit 0
fi
case ${1:-} in
  --fix) "$formatter" -i "${sources[@]}" ;;
  "")
    wrong=$(for file in "${sources[@]}"; do "$formatter" --dry-run --Werror "$file" 2>/dev/null || echo "$file"; done)
    if [ -n "$wrong" ]; then
      printf '%s\n' "$wrong" "format: these files are not formatted; tools/check_format.sh --fix mends them" >&2
      exit 1
    fi
    echo "format: ok" ;;
  *) sed -n '2,6p' "$0" | cut -c3-; exit 2 ;;
esac
