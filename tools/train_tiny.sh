#!/bin/bash
# Trains the tiny model from nothing, stage by stage, in pieces that can be cut anywhere: the same command goes on.
#
#   tools/train_tiny.sh OUT [cpu|cuda]
#
# OUT/tiny is the model folder that grows; OUT/runs holds checkpoints, losses (CSV) and plots. One call works for at most
# PIECE_SECONDS (540) and exits with status 3 when there is more to do; call it again until it exits with 0.
# STEPS_PERCENT (100) shortens every stage, for a trial. A GPU takes the batch sizes of the recipe, a CPU smaller ones.
set -eu
out=${1:?usage: tools/train_tiny.sh OUT [cpu|cuda]}
device=${2:-cpu}
piece_seconds=${PIECE_SECONDS:-540}
percent=${STEPS_PERCENT:-100}
root=$(cd "$(dirname "$0")/.." && pwd)
train=${VIDEODIFFCR_TRAIN:-$root/build/release/bin/videodiffcr-train}
[ -x "$train" ] || { echo "train_tiny.sh: $train is not built: cmake --build --preset release --target videodiffcr-train" >&2; exit 1; }
case $device in
  cuda) batches=(32 192 192 128 8) ;;
  cpu) batches=(4 16 8 4 8) ;;
  *) echo "train_tiny.sh: device '$device': must be cpu or cuda" >&2; exit 2 ;;
esac
mkdir -p "$out/runs"
end=$((SECONDS + piece_seconds))

# stage NAME BASE_MODEL STEPS BATCH: trains until it is finished or the piece is over.
stage() {
  local name=$1 model=$2 steps=$(($3 * percent / 100)) batch=$4
  [ ! -e "$out/runs/$name.done" ] || return 0
  local left=$((end - SECONDS))
  [ "$left" -gt 5 ] || { echo "train_tiny.sh: this piece is over; call again to go on with $name" >&2; exit 3; }
  "$train" "$name" --model "$model" --output "$out/tiny" --run "$out/runs/$name" --device "$device" \
    --steps "$((steps > 0 ? steps : 1))" --batch "$batch" --max-seconds "$left" 2>&1 | tee -a "$out/runs/$name.log"
  if tail -n 1 "$out/runs/$name.log" | grep -q ': paused;'; then
    echo "train_tiny.sh: this piece is over; call again to go on with $name" >&2
    exit 3
  fi
  touch "$out/runs/$name.done"
}

set -o pipefail
stage autoencoder "$root/models/tiny" 6000 "${batches[0]}"
stage classifier "$out/tiny" 3000 "${batches[1]}"
stage denoiser "$out/tiny" 12000 "${batches[2]}"
stage distill "$out/tiny" 300 "${batches[3]}"
stage routers "$out/tiny" 400 "${batches[4]}"
stage wording "$out/tiny" 2000 64
echo "train_tiny.sh: done; the model is in $out/tiny. Judge it: $train evaluate --model $out/tiny --clips 512"
