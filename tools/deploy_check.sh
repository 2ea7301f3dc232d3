#!/usr/bin/env bash
# Tries what operators are given: manifests, gateway, rules, dashboard, package, image. Each with the program that reads it in
# the end; nothing is believed to be right because it looks so.
#
#   tools/deploy_check.sh          everything, the image included (9 minutes on 2 cores, from an empty compiler cache)
#   tools/deploy_check.sh --fast   without the image and its package (about 2 minutes): part of .ci/run
#   tools/deploy_check.sh --image  the package and the image alone
#   tools/deploy_check.sh --cuda-image  the package and the image for GPUs alone; no part of the others
#   --picture FILE                 also draw the dashboard to FILE
set -euo pipefail
cd "$(dirname "$0")/.."
export LANG=${LANG:-C.UTF-8}  # outside and in the image: the compiler's cache goes by it
fast=1 image=cpu picture=
while [ $# -gt 0 ]; do
  case $1 in
    --fast) image= ;;
    --image) fast=0 ;;
    --cuda-image) fast=0 image=cuda ;;
    --picture) picture=${2:?"a file is needed behind --picture"}; shift ;;
    -h|--help) sed -n '2,9p' "$0" | cut -c3-; exit 0 ;;
    *) echo "deploy_check: unknown argument '$1'; see tools/deploy_check.sh --help" >&2; exit 2 ;;
  esac
  shift
done
say() { printf 'deploy_check: %4d s: %s\n' $SECONDS "$*"; }
fail() { printf 'deploy_check: %s\n' "$@" >&2; exit 1; }

tools/setup.sh --deploy --package
tools_root=${XDG_CACHE_HOME:-$HOME/.cache}/videodiffcr/deploy-tools-1
bin=$PWD/build/release/bin
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
with_tools() { PATH=$tools_root/bin:/usr/sbin:/usr/bin:/sbin:/bin PYTHONPATH=$tools_root/python "$@"; }
python() { with_tools /usr/bin/python3 "$@"; }

build_programs() {
  [ -e build/release/build.ninja ] || { mkdir -p build; cmake --preset release >"$work/configure.log" 2>&1 || { cat "$work/configure.log"; return 1; }; }
  cmake --build --preset release --target videodiffcr-server videodiffcr | tail -1
}

check_manifests() {
  local overlay rendered=()
  for overlay in deploy/kubernetes/overlays/*/; do
    overlay=$(basename "$overlay")
    with_tools kubectl kustomize "deploy/kubernetes/overlays/$overlay" >"$work/$overlay.yaml" || fail "overlay $overlay does not render"
    # Of kinds that are not Kubernetes' own (PodMonitor, PrometheusRule, ScaledObject) it has no schema, and says so.
    python -m kubernetes_validate --strict --quiet --no-warn -k 1.37 "$work/$overlay.yaml" || fail "overlay $overlay is not valid"
    rendered+=("$work/$overlay.yaml")
  done
  python tools/deploy/check_manifests.py "$bin" "${rendered[@]}" || fail "the manifests and the programs do not agree, see above"
  say "manifests: ${#rendered[@]} overlays render, are valid by the schemas of Kubernetes 1.37, and agree with the programs"
  # What it is to pass over, and why, stands in the manifests' annotations.
  python -m checkov.main --skip-download --quiet --compact --framework kubernetes $(printf -- '-f %s ' "${rendered[@]}") >"$work/checkov" 2>&1 ||
    { cat "$work/checkov"; fail "checkov complains, see above"; }
  python -m checkov.main --skip-download --quiet --compact --framework dockerfile -f Dockerfile >"$work/checkov_image" 2>&1 ||
    { cat "$work/checkov_image"; fail "checkov complains of the Dockerfile, see above"; }
  say "checkov: $(grep -h 'Passed checks' "$work/checkov" "$work/checkov_image" | paste -sd ';')"
}

# The list is held to CUDA's libraries where they are: tools/setup.sh --cuda-wheels. To fetch them for this is too much.
check_libraries() {
  local torch=${XDG_CACHE_HOME:-$HOME/.cache}/videodiffcr/libtorch-2.11.0 kind=cpu
  [ ! -e "$torch/.complete-cuda-wheels" ] || kind=cuda
  python tools/deploy/check_libraries.py "$torch" $kind "$bin/videodiffcr-server" >"$work/libraries" || { cat "$work/libraries"; fail "the list of libraries does not hold"; }
  say "libraries ($kind): $(tail -1 "$work/libraries")"
}

check_gateway() {
  with_tools envoy --mode validate -l error -c deploy/envoy/envoy.yaml >"$work/envoy" 2>&1 || { cat "$work/envoy"; fail "Envoy refuses its config"; }
  # The hardened one names files that only a cluster has.
  mkdir -p "$work/tls"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=videodiffcr -keyout "$work/tls/tls.key" \
    -out "$work/tls/tls.crt" 2>/dev/null
  cp "$work/tls/tls.key" "$work/tls/client.key"; cp "$work/tls/tls.crt" "$work/tls/client.crt"; cp "$work/tls/tls.crt" "$work/tls/server_ca.crt"
  sed "s#filename: /tls/#filename: $work/tls/#" deploy/kubernetes/overlays/hardened/envoy.yaml >"$work/hardened.yaml"
  with_tools envoy --mode validate -l error -c "$work/hardened.yaml" >"$work/envoy" 2>&1 || { cat "$work/envoy"; fail "Envoy refuses the hardened config"; }
  say "gateway: Envoy takes both configs"
}

check_rules() {
  (cd deploy/prometheus && promtool check rules rules.yaml && promtool check config prometheus.yaml && promtool test rules rules_test.yaml &&
    amtool check-config alertmanager.yaml) >"$work/rules" 2>&1 || { cat "$work/rules"; fail "rules, their tests or the examples do not hold"; }
  say "rules: $(grep -c 'alert:' deploy/prometheus/rules.yaml) alerts, each with its test"
  python tools/deploy/check_queries.py "$bin" ${picture:+"$picture"} || fail "queries without data, see above"
  say "dashboard and rules: every query has data from a real Prometheus"
}

check_tls() {
  python tools/deploy/check_tls.py "$bin" >"$work/served" || fail "certificates or tokens do not hold, see above"
  say "TLS: $(cat "$work/served")"
}

check_unit() {
  cmake --install build/release --component service --prefix "$work/installed" >"$work/unit" || { cat "$work/unit"; fail "the unit cannot be installed"; }
  sed "s#^ExecStart=$work/installed/bin/#ExecStart=$bin/#; s#^User=.*#User=nobody#" "$work/installed/lib/systemd/system/videodiffcr.service" >"$work/videodiffcr.service"
  systemd-analyze verify --man=no "$work/videodiffcr.service" >"$work/unit" 2>&1 || { cat "$work/unit"; fail "systemd refuses the unit"; }
  local exposure
  exposure=$(systemd-analyze security --offline=true --no-pager "$work/videodiffcr.service" 2>/dev/null | sed -n 's/.*exposure level[^:]*: \([0-9.]*\).*/\1/p')
  [ -n "$exposure" ] && [ "${exposure%.*}" -lt 3 ] || fail "systemd calls the unit's exposure ${exposure:-unknown}; below 3 is wanted"
  say "systemd: the unit is valid, exposure $exposure of 10"
}

if [ "$fast" = 1 ]; then
  build_programs
  check_manifests
  check_libraries
  check_gateway
  check_tls
  check_rules
  check_unit
fi
# Only in a whole run: a wrong port, a missing flag, a dead query and an expired certificate, each of which must fail.
if [ "$fast" = 1 ] && [ "$image" = cpu ]; then
  python tools/deploy/check_mutations.py "$bin" || fail "what is spoiled is not noticed, see above"
  say "mutations: what is spoiled on purpose is noticed"
fi
[ -z "$image" ] || with_tools tools/deploy/check_image.sh "$image"
say "all held"
