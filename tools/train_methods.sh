#!/bin/bash
# Trains and judges the rows of a table of methods, as many at once as the GPUs hold, in pieces that can be cut anywhere.
#
#   tools/train_methods.sh ROWS OUT MODEL TEACHER
#
# ROWS: a line per row, "NAME SEED BUDGET COMMAND...": a name, the training seed, the budget in tenths that is judged (10: dense) and the
# command of videodiffcr-train with the flags that are the row's own ("videodiffcr --target 0.5"); "none" trains nothing and judges MODEL.
# "#" begins a remark. The same for all rows, unless their command says otherwise: MODEL to start from, TEACHER, STEPS (360), BATCH (128),
# LEARNING_RATE (1.2e-4). CLIPS (2048) clips are judged, by seed 1, with PROXIES (yes) or without.
# OUT/models/NAME-BUDGET-SEED is a row's model, OUT/kept/NAME-BUDGET-SEED.kept the same in a quarter of the room (tools/keep_model.py),
# from which it can be made and judged again; OUT/runs its log and checkpoint, OUT/clips/NAME-BUDGET-SEED.clips.csv.gz what was judged:
# tools/make_results.py reads these, `videodiffcr-train compare` what gunzip makes of them. GPUS (1) with SLOTS (2) rows beside each
# other on each, since starting kernels takes longer than what they do: on an H200 three rows make 3.2 steps/s together, seven under
# NVIDIA's multi-process service (`nvidia-cuda-mps-control -d`) 4.1, six without it no more than three. DEVICE=cpu trains without a GPU.
# One call works for at most PIECE_SECONDS (570) and exits with status 3 when there is more to do; call it again until it exits with 0.
# A row that failed is named, the others go on, and the status is 1.
set -eu
rows=${1:?usage: tools/train_methods.sh ROWS OUT MODEL TEACHER}
out=${2:?usage: tools/train_methods.sh ROWS OUT MODEL TEACHER}
model=${3:?usage: tools/train_methods.sh ROWS OUT MODEL TEACHER}
teacher=${4:?usage: tools/train_methods.sh ROWS OUT MODEL TEACHER}
device=${DEVICE:-cuda} gpus=${GPUS:-1} slots=${SLOTS:-2} clips=${CLIPS:-2048}
end=$((SECONDS + ${PIECE_SECONDS:-570}))
root=$(cd "$(dirname "$0")/.." && pwd)
train=${VIDEODIFFCR_TRAIN:-$root/build/release/bin/videodiffcr-train}
[ -x "$train" ] || train=$(command -v videodiffcr-train) ||
  { echo "train_methods.sh: videodiffcr-train is not built: cmake --build --preset release --target videodiffcr-train" >&2; exit 1; }
threads=$(($(nproc) / (gpus * slots)))
[ "$threads" -ge 1 ] || threads=1
mkdir -p "$out/models" "$out/runs" "$out/clips" "$out/kept"
rm -rf "$out/taken" && mkdir "$out/taken"

# train_row ID SEED COMMAND...: 0 done, 3 cut by the piece, else it failed.
train_row() {
  local id=$1 seed=$2 log=$out/runs/$1.log left=$((end - SECONDS - 12))
  shift 2
  [ ! -e "$out/runs/$id.trained" ] || return 0
  [ "$left" -ge 40 ] || return 3
  local common=(--model "$model" --teacher "$teacher" --output "$out/models/$id" --run "$out/runs/$id" --device "$device"
    --seed "$seed" --threads "$threads" --checkpoint-every 1000000 --max-seconds "$left")
  case " $* " in *' --steps '*) ;; *) common+=(--steps "${STEPS:-360}") ;; esac
  case " $* " in *' --batch '*) ;; *) common+=(--batch "${BATCH:-128}") ;; esac
  case " $* " in *' --learning-rate '*) ;; *) common+=(--learning-rate "${LEARNING_RATE:-1.2e-4}") ;; esac
  "$train" "$@" "${common[@]}" >>"$log" 2>&1 || return 1
  if tail -n 1 "$log" | grep -q ': paused;'; then return 3; fi
  rm -rf "$out/runs/$id/checkpoint.safetensors"
  touch "$out/runs/$id.trained"
}

# keep_row ID: writes the file that keeps the row's model and makes the model from it, so that this is what is judged.
keep_row() {
  local folder=$out/models/$1 file=$out/kept/$1.kept log=$out/runs/$1.log
  [ ! -e "$file" ] || return 0
  "$root/tools/keep_model.py" pack "$model" "$folder" "$file.new" >>"$log" 2>&1 || return 1
  "$root/tools/keep_model.py" unpack "$model" "$file.new" "$folder" >>"$log" 2>&1 || return 1
  mv "$file.new" "$file"
}

# judge_row NAME SEED BUDGET FOLDER
judge_row() {
  local id=$1-$3-$2 file=$out/clips/$1-$3-$2.clips.csv
  [ $((end - SECONDS)) -ge "${JUDGE_SECONDS:-60}" ] || return 3
  "$train" evaluate --plain "$device" --model "$4" --clips "$clips" --seed 1 --reconstructions 0 --conditions "${CONDITIONS:-short}" \
    --budgets "$3" --proxies "${PROXIES:-yes}" --method "$1" --training-seed "$2" --per-clip "$file" --threads "$threads" \
    >>"$out/runs/$id.judged.log" 2>&1 || return 1
  gzip -9f "$file"
}

# row NAME SEED BUDGET COMMAND...
row() {
  local name=$1 seed=$2 budget=$3 id=$1-$3-$2 folder=$out/models/$1-$3-$2
  shift 3
  [ ! -e "$out/clips/$id.clips.csv.gz" ] || return 0
  if [ "$1" = none ]; then
    folder=$model
  else
    train_row "$id" "$seed" "$@" || return $?
    keep_row "$id" || return 1
  fi
  judge_row "$name" "$seed" "$budget" "$folder"
}

# Takes rows nobody has taken, one after another.
worker() {
  local line id status=0 result=0
  while read -ra line <&9; do
    case ${line[0]:-#} in \#*) continue ;; esac
    id=${line[0]}-${line[2]}-${line[1]}
    mkdir "$out/taken/$id" 2>/dev/null || continue
    row "${line[@]}" && result=0 || result=$?
    case $result in
      0) ;;
      3) [ $status -ne 0 ] || status=3 ;;
      *) status=1; echo "train_methods.sh: $id failed: see $out/runs/$id*.log" >&2 ;;
    esac
  done 9<"$rows"
  return $status
}

workers=()
for ((gpu = 0; gpu < gpus; ++gpu)); do
  for ((slot = 0; slot < slots; ++slot)); do
    if [ "$device" = cuda ]; then CUDA_VISIBLE_DEVICES=$gpu worker & else worker & fi
    workers+=($!)
  done
done
trap 'kill "${workers[@]}" 2>/dev/null || true' EXIT
status=0
for one in "${workers[@]}"; do
  wait "$one" && result=0 || result=$?
  [ $result -eq 0 ] || [ $status -eq 1 ] || status=$result
done
judged=$(find "$out/clips" -name '*.clips.csv.gz' | wc -l)
echo "train_methods.sh: $judged rows judged$([ $status -ne 3 ] || echo '; this piece is over, call again to go on')"
exit $status
