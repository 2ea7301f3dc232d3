#!/usr/bin/env bash
# Starts a live session and plays it while it grows. PLAYER may name another player that takes an address.
#
#   play.sh "a red circle moves right" [http://localhost:8080]
set -euo pipefail
gateway=${2:-http://localhost:8080}
prompt=${1:?give a prompt}
request=$(python3 -c 'import json, sys; print(json.dumps({"prompt": sys.argv[1], "length_chunks": 8}))' "$prompt")
session=$(curl -sS --fail-with-body "$gateway/live" -d "$request")
video=$(python3 -c 'import json, sys; print(json.loads(sys.argv[1])["links"]["video"])' "$session")
echo "playing $gateway$video"
exec ${PLAYER:-ffplay -loglevel error -autoexit} "$gateway$video"
