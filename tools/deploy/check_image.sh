#!/usr/bin/env bash
# Builds an image from a base made here, without a registry and without a daemon, starts it and generates a video from outside;
# the one for GPUs on the CPU, after it has said that there is no GPU. Part of tools/deploy_check.sh; needs root.
#
#   tools/deploy/check_image.sh cpu|cuda
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${1:?"which image: cpu or cuda"}
say() { printf 'check_image: %4d s: %s\n' $SECONDS "$*"; }
fail() { printf 'check_image: %s\n' "$@" >&2; exit 1; }
[ "$(id -u)" = 0 ] || fail "needs root: debootstrap and builds with chroot isolation do"
export STORAGE_DRIVER=vfs BUILDAH_ISOLATION=chroot LANG=${LANG:-C.UTF-8}
cache=${XDG_CACHE_HOME:-$HOME/.cache}
work=$(mktemp -d)
storage=("--root=$work/storage" "--runroot=$work/run")
container= server= gateway=
cleanup() {
  # Their root can go only when they are gone.
  [ -z "$server$gateway" ] || { kill $server $gateway 2>/dev/null; wait; } || true
  buildah "${storage[@]}" rm --all >/dev/null 2>&1 || true
  umount -R "$work/root" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT

# As Debian's slim images are: without documents but for licences, translations, package lists; and dpkg does not wait for the
# disk after each file.
make_base() {
  DPKG_FORCE=unsafe-io debootstrap --variant=minbase --include=ca-certificates bookworm "$work/base" >"$work/debootstrap.log" 2>&1 || { tail -5 "$work/debootstrap.log"; return 1; }
  printf 'path-exclude=/usr/share/%s/*\n' doc man locale info groff lintian linda >"$work/base/etc/dpkg/dpkg.cfg.d/docker"
  echo 'path-include=/usr/share/doc/*/copyright' >>"$work/base/etc/dpkg/dpkg.cfg.d/docker"
  echo force-unsafe-io >"$work/base/etc/dpkg/dpkg.cfg.d/docker-apt-speedup"
  find "$work/base/usr/share/doc" -type f ! -name copyright -delete
  rm -rf "$work"/base/usr/share/{man,locale,info,groff,lintian,linda}/* "$work"/base/var/lib/apt/lists/* "$work"/base/var/cache/{apt,debconf}/* \
    "$work"/base/var/log/*
  # Where this machine gets its packages.
  cp /etc/apt/sources.list "$work/base/etc/apt/" 2>/dev/null || true
  cp /etc/apt/sources.list.d/debian.sources "$work/base/etc/apt/sources.list.d/" 2>/dev/null && rm -f "$work/base/etc/apt/sources.list"
  local from
  from=$(buildah "${storage[@]}" from scratch)
  buildah "${storage[@]}" add -q "$from" "$work/base" / >/dev/null
  buildah "${storage[@]}" commit -q "$from" videodiffcr-base >/dev/null
  buildah "${storage[@]}" rm "$from" >/dev/null
  rm -rf "$work/base"
}

# The caches of set-up and of the compiler are lent, so that nothing is compiled again that was just compiled outside; the
# machine's certificates and pip's settings too, since the build fetches what the machine would.
build_image() {
  local lent=(--volume "$cache/videodiffcr:/root/.cache/videodiffcr" --volume "${CCACHE_DIR:-$cache/ccache}:/root/.cache/ccache"
    --volume /etc/ssl/certs:/etc/ssl/certs:ro)
  [ ! -e /etc/pip.conf ] || lent+=(--volume /etc/pip.conf:/etc/pip.conf:ro)
  mkdir -p "${CCACHE_DIR:-$cache/ccache}"
  buildah "${storage[@]}" build --format docker --build-arg BASE=localhost/videodiffcr-base --build-arg LANG="$LANG" --target "$target" -t "videodiffcr:$target" "${lent[@]}" . \
    >"$work/build.log" 2>&1 || { tail -20 "$work/build.log"; return 1; }
}

describe_size() {
  local root=$1 libraries=$1/usr/lib/x86_64-linux-gnu
  say "the image $target is $(du -sm --exclude=proc --exclude=sys --exclude=dev "$root" | cut -f1) MB unpacked:" \
    "LibTorch $(du -sm "$libraries/videodiffcr/torch" | cut -f1)," \
    "CUDA $(du -sm "$libraries/videodiffcr/nvidia" | cut -f1)," \
    "shared libraries of Debian $(du -sm --exclude=videodiffcr "$libraries" | cut -f1)," \
    "programs $(du -cm "$root"/usr/bin/videodiffcr* | tail -1 | cut -f1), tiny model $(du -sm "$root/usr/share/videodiffcr" | cut -f1)"
}

check_contents() {
  local root=$1 documents=$1/usr/share/doc/videodiffcr of
  local licenses=$documents/licenses
  local expected=(torch-2.11.0.dist-info/licenses/LICENSE sentencepiece/LICENSE libcli11-dev/copyright nlohmann-json3-dev/copyright
    libboost-dev/copyright)
  [ "$target" = cpu ] || expected+=(flashinfer/LICENSE cutlass/LICENSE "$(cd "$licenses" && ls -d nvidia_cublas-*.dist-info)")
  for of in "${expected[@]}"; do [ -s "$licenses/$of" ] || fail "a licence is not in the image: $of"; done
  compgen -G "$documents/operating.*" >/dev/null || fail "the label names a page that is not in the image"
  [ -s "$root/usr/lib/systemd/system/videodiffcr.service" ] || fail "the unit is not in the package"
  [ -d "$root/etc/videodiffcr" ] || fail "the package made no /etc/videodiffcr"
  [ -z "$(find "$root" -xdev \( -name nvcc -o -name cicc -o -name '*.a' -o -name cuda_runtime.h \) -print -quit)" ] || fail "a toolkit is in the image"
}

# The image's own root, which its programs may only read.
mount_read_only() {
  mkdir -p "$work/root"
  mount --bind "$1" "$work/root"
  mount -o remount,bind,ro "$work/root"
  mount --bind /proc "$work/root/proc"
}

# Sets user and command as the image has them, on free ports in place of the image's.
read_command() {
  local format='{{range .OCIv1.Config.Entrypoint}}{{println .}}{{end}}{{range .OCIv1.Config.Cmd}}{{println .}}{{end}}'
  user=$(buildah "${storage[@]}" inspect --type image --format '{{.OCIv1.Config.User}}' "videodiffcr:$target")
  [ "$user" = 64000:64000 ] || fail "the image runs as '$user', not as 64000:64000"
  mapfile -t command < <(buildah "${storage[@]}" inspect --type image --format "$format" "videodiffcr:$target" | grep . |
    sed -E 's/^(--(metrics-|admin-)?listen)=.*/\1=127.0.0.1:0/')
}

run_command() { exec chroot --userspec="$user" "$work/root" "/usr/bin/${command[0]}" "${command[@]:1}" --log-format=json; }

# Without a driver and a GPU the image for GPUs has to say so. For all else its server then runs on the CPU.
check_without_gpu() {
  local status=0
  (run_command) >"$work/no_gpu.log" 2>&1 || status=$?
  [ "$status" = 1 ] && grep -q 'is an NVIDIA driver installed and a GPU visible?' "$work/no_gpu.log" ||
    { cat "$work/no_gpu.log"; fail "without a GPU the image's server ends with $status and does not say what is missing"; }
  say "without a GPU it ends with 1 and says: $(grep -o "device 'cuda': .*visible?" "$work/no_gpu.log" | tail -1)"
  command=("${command[@]/--device=cuda/--device=cpu}")
}

port_of() { sed -n "s/.*$1 port \([0-9]*\).*/\1/p" "$work/${2:-server}.log"; }

wait_for_line() {
  local process=$1 waited=0
  until grep -q "$2" "$work/$3.log"; do
    kill -0 "$process" 2>/dev/null && [ $((waited += 1)) -lt 600 ] || { cat "$work/$3.log"; fail "the image's $3 does not serve"; }
    sleep 0.2
  done
}

# The gateway is in the image beside the server, for whoever names it as the entrypoint. It writes videos as files, so it wants
# one folder that it may write.
check_gateway() {
  mount -t tmpfs -o mode=1777 tmpfs "$work/root/tmp"
  chroot --userspec="$user" "$work/root" /usr/bin/videodiffcr-gateway --server="$1" --listen=127.0.0.1:0 --metrics-listen= 2>"$work/gateway.log" &
  gateway=$!
  wait_for_line "$gateway" 'serving HTTP' gateway
  local url=http://127.0.0.1:$(port_of 'serving HTTP on' gateway) video
  curl -sf "$url/" >"$work/page" && grep -q '<title>' "$work/page" || fail "the image's gateway has no page"
  video=$(curl -sf "$url/live" -d '{"prompt": "a red circle moves right on a blue background", "length_chunks": 2}' | sed -n 's/.*"video": *"\([^"]*\)".*/\1/p')
  curl -sf "$url$video" >"$work/live.mp4" && ffprobe -v error "$work/live.mp4" || fail "the image's gateway sends no video"
  kill -TERM "$gateway"
  wait "$gateway" || fail "SIGTERM ends the gateway with status $?, not 0"
  gateway=
}

check_running_image() {
  local root=$1 user command address
  mount_read_only "$root"
  read_command
  [ "$target" = cpu ] || check_without_gpu
  run_command 2>"$work/server.log" &
  server=$!
  wait_for_line "$server" '"message":"serving model' server
  chroot --userspec="$user" "$work/root" /usr/bin/videodiffcr health --server "localhost:$(port_of 'probes on')" || fail "the health check fails"
  # From outside: the image's client would not do, it is inside. This is the package's, run from here.
  local video=$work/video.mp4
  address=localhost:$(port_of '(cpu) on')
  chroot "$root" /usr/bin/videodiffcr generate --server "$address" \
    --prompt "a red circle moves right on a blue background" --chunks 4 --output - >"$video" 2>"$work/client.log" || { cat "$work/client.log"; fail "no video"; }
  ffprobe -v error -count_frames -select_streams v -show_entries stream=nb_read_frames -of csv=p=0 "$video" >"$work/frames"
  [ "$(cat "$work/frames")" -gt 0 ] || fail "the video has no frames"
  check_gateway "$address"
  kill -TERM "$server"
  wait "$server" || fail "SIGTERM ends the server with status $?, not 0"
  server=
  say "as user 64000 with a read-only root it serves, is healthy, made $(cat "$work/frames") frames, sent some by its gateway, and ended with 0 on SIGTERM"
}

say "making a base of Debian 12"
make_base
say "building the image $target"
build_image
container=$(buildah "${storage[@]}" from "videodiffcr:$target")
root=$(buildah "${storage[@]}" mount "$container")
describe_size "$root"
check_contents "$root"
check_running_image "$root"
