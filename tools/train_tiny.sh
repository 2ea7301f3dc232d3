#!/bin/bash
# Trains the tiny model, stage by stage, in pieces that can be cut anywhere: the same command goes on.
#
#   tools/train_tiny.sh OUT [cpu|cuda] [new|continue]
#
# new (default): everything from nothing. continue: from the weights in models/tiny, as the shipped ones were made: the
# transformer by flow matching, then to few steps again; the decoder alone, so that latents stay what they are; routers.
# OUT/tiny is the model folder that grows, OUT/teacher the one that distillation learns from; OUT/runs holds
# checkpoints, losses (CSV) and plots. One call works for at most PIECE_SECONDS (540) and exits with status 3 when there
# is more to do; call it again until it exits with 0. STEPS_PERCENT (100) shortens every stage, for a trial. A GPU takes
# the batch sizes of the recipe, a CPU smaller ones.
set -eu
out=${1:?usage: tools/train_tiny.sh OUT [cpu|cuda] [new|continue]}
device=${2:-cpu}
start=${3:-new}
piece_seconds=${PIECE_SECONDS:-540}
percent=${STEPS_PERCENT:-100}
root=$(cd "$(dirname "$0")/.." && pwd)
train=${VIDEODIFFCR_TRAIN:-$root/build/release/bin/videodiffcr-train}
[ -x "$train" ] || { echo "train_tiny.sh: $train is not built: cmake --build --preset release --target videodiffcr-train" >&2; exit 1; }
case $device in
  cuda) clips_autoencoder=32 clips_classifier=192 clips_denoiser=192 clips_distill=128 clips_routers=64 ;;
  cpu) clips_autoencoder=4 clips_classifier=16 clips_denoiser=8 clips_distill=4 clips_routers=8 ;;
  *) echo "train_tiny.sh: device '$device': must be cpu or cuda" >&2; exit 2 ;;
esac
mkdir -p "$out/runs"
end=$((SECONDS + piece_seconds))

# stage RUN STAGE BASE_MODEL OUTPUT STEPS BATCH [FLAG...]: trains until it is finished or the piece is over.
stage() {
  local run=$1 name=$2 model=$3 output=$4 steps=$(($5 * percent / 100)) batch=$6
  shift 6
  [ ! -e "$out/runs/$run.done" ] || return 0
  local left=$((end - SECONDS))
  [ "$left" -gt 5 ] || { echo "train_tiny.sh: this piece is over; call again to go on with $run" >&2; exit 3; }
  "$train" "$name" --model "$model" --output "$output" --run "$out/runs/$run" --device "$device" \
    --steps "$((steps > 0 ? steps : 1))" --batch "$batch" --max-seconds "$left" "$@" 2>&1 | tee -a "$out/runs/$run.log"
  if tail -n 1 "$out/runs/$run.log" | grep -q ': paused;'; then
    echo "train_tiny.sh: this piece is over; call again to go on with $run" >&2
    exit 3
  fi
  touch "$out/runs/$run.done"
}

set -o pipefail
shipped=$root/models/tiny
case $start in
  new)
    stage autoencoder autoencoder "$shipped" "$out/tiny" 4000 $clips_autoencoder
    stage classifier classifier "$out/tiny" "$out/tiny" 1500 $clips_classifier
    stage denoiser denoiser "$out/tiny" "$out/teacher" 6000 $clips_denoiser
    stage distill distill "$out/teacher" "$out/tiny" 300 $clips_distill
    cp "$out/teacher/text_encoder.safetensors" "$out/tiny/"  # the one that this transformer was trained with
    stage routers routers "$out/tiny" "$out/tiny" 200 $clips_routers
    stage distill_routed distill "$out/tiny" "$out/routed" 250 $clips_distill \
      --teacher "$out/teacher" --routed-share 0.4 --learning-rate 1.2e-4
    stage routers_again routers "$out/routed" "$out/routed" 280 $clips_routers
    stage wording wording "$out/routed" "$out/routed" 2000 64
    result=$out/routed
    ;;
  continue)
    stage denoiser denoiser "$shipped" "$out/teacher" 1912 $clips_denoiser \
      --continue-weights yes --train-text no --pool 12288 --learning-rate 6e-4 --warmup-steps 80
    stage distill distill "$shipped" "$out/tiny" 253 $clips_distill \
      --teacher "$out/teacher" --routed-share 0.4 --learning-rate 1.2e-4
    stage autoencoder autoencoder "$shipped" "$out/tiny" 1709 $clips_autoencoder \
      --continue-weights yes --frozen-share 1 --learning-rate 1e-3
    stage routers routers "$out/tiny" "$out/tiny" 280 $clips_routers
    result=$out/tiny
    ;;
  *) echo "train_tiny.sh: start '$start': must be new or continue" >&2; exit 2 ;;
esac
echo "train_tiny.sh: done; the model is in $result. Judge it: $train evaluate --model $result --clips 512"
