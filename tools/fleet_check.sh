#!/usr/bin/env bash
# Many servers as one address, on this machine: three servers, a real Envoy with deploy/envoy/envoy.yaml, viewers. Load over
# all, resume and calls beside a session, gRPC-Web, a full server, a dead one, a rolling restart under eight viewers, both again
# under clients whose sessions go on at another server, a fourth server. Two minutes on 2 cores.
#
#   tools/fleet_check.sh
set -euo pipefail
cd "$(dirname "$0")/.."
case ${1:-} in -h|--help) sed -n '2,6p' "$0" | cut -c3-; exit 0 ;; esac
tools/setup.sh --deploy
[ -e build/release/build.ninja ] || { mkdir -p build; cmake --preset release >build/configure.log 2>&1 || { cat build/configure.log >&2; exit 1; }; }
cmake --build --preset release --target videodiffcr-server videodiffcr | tail -1
tools_root=${XDG_CACHE_HOME:-$HOME/.cache}/videodiffcr/deploy-tools-1
PYTHONPATH=$tools_root/python exec /usr/bin/python3 tools/deploy/check_fleet.py "$tools_root/bin/envoy" build/release/bin
