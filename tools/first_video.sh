#!/usr/bin/env bash
# From nothing to a generated video: installs what is missing, builds, starts the server with the embedded model, generates,
# stops the server. Leaves first_video.mp4 and first_video.png (frames with their times) in the current folder.
#
#   tools/first_video.sh "a red circle moves right on a blue checkered background"
set -euo pipefail
case ${1:-} in -h|--help) sed -n '2,5p' "$0" | cut -c3-; exit 0 ;; esac
prompt=${1:-a red circle moves right on a blue checkered background}
source_dir=$(cd "$(dirname "$0")/.." && pwd)
build_dir=$source_dir/build/release
model_dir=$source_dir/models/tiny
say() { printf 'first_video: %s\n' "$*"; }
fail() { printf 'first_video: %s\n' "$@" >&2; exit 1; }
[ -w . ] || fail "cannot write to the current folder, where the video is to go"

"$source_dir/tools/setup.sh"
if [ ! -e "$build_dir/build.ninja" ]; then
  mkdir -p "$source_dir/build"
  (cd "$source_dir" && cmake --preset release) >"$source_dir/build/configure.log" 2>&1 ||
    { cat "$source_dir/build/configure.log" >&2; fail "configuring the build failed, see above"; }
  say "building the server and the client (the first time takes several minutes)"
fi
cmake --build "$build_dir" --target videodiffcr-server videodiffcr videodiffcr-gateway

work=$(mktemp -d)
server=
cleanup() {
  if [ -n "$server" ] && kill -TERM "$server" 2>/dev/null; then wait "$server" || true; fi
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

"$build_dir/bin/videodiffcr-server" --model-folder="$model_dir" --listen=127.0.0.1:0 --metrics-listen= \
  --port-file="$work/ports" >"$work/server.log" 2>&1 &
server=$!
for _ in $(seq 600); do
  if [ -s "$work/ports" ]; then break; fi
  kill -0 "$server" 2>/dev/null || { server=; tail -20 "$work/server.log" >&2; fail "the server did not start, see above"; }
  sleep 0.1
done
port=$(sed -n 's/^grpc_port=//p' "$work/ports" 2>/dev/null || true)
[ -n "$port" ] || { tail -20 "$work/server.log" >&2; fail "the server named no port within 60 s, see above"; }

"$build_dir/bin/videodiffcr" generate --server "localhost:$port" --prompt "$prompt" --chunks 8 \
  --output first_video.mp4 --contact-sheet first_video.png

bin=${build_dir#"$PWD"/}/bin
cat <<END

Next, a page that generates and plays while you type (Ctrl-C ends it):
  $bin/videodiffcr view

Or a server that stays (each line works as it is):
  $bin/videodiffcr-server --model-folder=${model_dir#"$PWD"/} &
  $bin/videodiffcr info
  $bin/videodiffcr generate --prompt "a blue star orbits on a gray dotted background" --switch 4:"a red square orbits on a gray dotted background" --switch-budget 6:0.7 --contact-sheet video.png
END
