#!/usr/bin/env bash
# Fails when a client of the released API (tests/compatibility/released) would not understand today's server, or the other
# way round: a field or a method that is gone or has another type or number. Needs Python's pip; fetches Buf from PyPI once,
# pinned by hash, into $XDG_CACHE_HOME/videodiffcr. Where there is no Buf for this machine it says so and passes.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/videodiffcr
buf=$cache/buf-1.75.0/buf
if [ "$(uname -m)" != x86_64 ]; then echo "proto: not checked, no pinned Buf for $(uname -m)"; exit 0; fi
if [ ! -x "$buf" ]; then
  mkdir -p "$cache/downloads" "$cache/buf-1.75.0"
  python3 -m pip download -q --disable-pip-version-check --no-input --no-deps --require-hashes --only-binary=:all: \
    -d "$cache/downloads" -r "$here/pypi_buf.txt"
  unzip -q -o -j "$cache"/downloads/buf_bin-1.75.0-*.whl '*/scripts/buf' -d "$cache/buf-1.75.0.$$"
  chmod +x "$cache/buf-1.75.0.$$/buf"
  mv "$cache/buf-1.75.0.$$/buf" "$buf"; rmdir "$cache/buf-1.75.0.$$"
fi
# Numbers and names that were reserved for what has come since may be used; all else is held.
rules='{"version":"v1","breaking":{"use":["FILE"],"except":["RESERVED_MESSAGE_NO_DELETE"]}}'
cd "$here/.."
"$buf" breaking proto --against tests/compatibility/released --config "$rules" --against-config "$rules"
echo "proto: compatible with what was released"
