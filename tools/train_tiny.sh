#!/bin/bash
# Trains the tiny model, stage by stage, in pieces that can be cut anywhere: the same command goes on.
#
#   tools/train_tiny.sh OUT [cpu|cuda] [new|more|continue|long]
#
# new (default): everything from nothing. more: what "new" has made in OUT, further: the denoiser for longer, then few steps and
# routers from there; autoencoder and text stay. continue: from the weights in models/tiny: the transformer by flow matching, then to
# few steps again; the decoder alone, so that latents stay what they are; routers. long: from models/tiny, too, for a machine with
# several GPUs: transformer and text encoder for the seconds in DENOISER_SECONDS ("450 530": two stages), also on captions with unknown
# words; then few steps, routers and other words from there. Its steps follow from the rate that it measures first. `continue`, then
# `long`, then `videodiffcr-train videodiffcr` made the weights that ship (docs/models.md).
# OUT/tiny is the model folder that grows, OUT/teacher the one that distillation learns from, OUT/routed the last one of "new"
# (OUT/decoder and OUT/wording lend it a file each); OUT/runs holds checkpoints, losses (CSV) and plots. One call works for at most
# PIECE_SECONDS (570) and exits with status 3 when there is more to do; call it again until it exits with 0. STEPS_PERCENT (100)
# shortens every stage, for a trial.
#
# A stage that a piece ends goes on from its checkpoint in the next. A CPU takes small batches. A GPU takes the batches of the
# recipe and gives each stage a limit in seconds over all pieces, at which it ends with what it has. GPUS (1) of one machine share
# every batch; those of the denoiser, of distillation and of the routers grow with their number.
# Distillation leaves a GPU idle half of the time, so stages that need not wait for it run beside it there.
# The pieces may run on machines that share no disk: KEEP is a folder that gets one archive per model folder (what differs from
# models/tiny, and in the others from OUT/tiny; each under 16 MiB) and one of logs after every stage, RESTORE one with such archives
# to begin from when OUT is not there. A checkpoint is too large for that: a stage that was cut begins anew on another machine, so with
# KEEP a stage that does not fit into what is left of a piece is left to the next one.
set -eu
out=${1:?usage: tools/train_tiny.sh OUT [cpu|cuda] [new|more|continue|long]}
device=${2:-cpu}
start=${3:-new}
piece_seconds=${PIECE_SECONDS:-570}
percent=${STEPS_PERCENT:-100}
gpus=${GPUS:-1}
root=$(cd "$(dirname "$0")/.." && pwd)
shipped=$root/models/tiny
train=${VIDEODIFFCR_TRAIN:-$root/build/release/bin/videodiffcr-train}
[ -x "$train" ] || train=$(command -v videodiffcr-train) ||
  { echo "train_tiny.sh: videodiffcr-train is not built: cmake --build --preset release --target videodiffcr-train" >&2; exit 1; }
larger() { echo $(($1 * gpus > $2 ? $1 * gpus : $2)); }  # CLIPS_PER_GPU CLIPS_AT_LEAST
share=()
[ "$gpus" -eq 1 ] || share=(--gpus "$gpus")
case $device in
  cuda)
    clips_autoencoder=32 clips_classifier=192
    clips_denoiser=$(larger 64 192) clips_distill=$(larger 96 128) clips_routers=$(larger 32 64) ;;
  cpu) clips_autoencoder=4 clips_classifier=16 clips_denoiser=8 clips_distill=4 clips_routers=8 ;;
  *) echo "train_tiny.sh: device '$device': must be cpu or cuda" >&2; exit 2 ;;
esac
end=$((SECONDS + piece_seconds))

# fill FOLDER FROM: files of FROM that FOLDER lacks; what is said of other weights is not true of these.
fill() { (cd "$2" && for file in *; do case $file in *.md) ;; *) [ -e "$1/$file" ] || cp "$file" "$1/"; esac; done) }

# In an order in which each folder finds what it lacks in those before it.
restore() {
  local folder
  mkdir -p "$out/runs"
  [ ! -e "$RESTORE/runs.tar" ] || tar -C "$out" -xf "$RESTORE/runs.tar"
  for folder in tiny teacher routed; do
    [ -e "$RESTORE/$folder.tar" ] || continue
    mkdir -p "$out/$folder" && tar -C "$out/$folder" -xf "$RESTORE/$folder.tar"
    [ $folder = tiny ] || [ ! -e "$out/tiny" ] || fill "$(realpath "$out/$folder")" "$out/tiny"
    fill "$(realpath "$out/$folder")" "$shipped"
  done
}

keep() {
  local folder file
  [ -n "${KEEP:-}" ] || return 0
  mkdir -p "$KEEP"
  tar -C "$out" --exclude=checkpoint.safetensors -cf "$KEEP/runs.tar" runs
  for folder in tiny teacher routed; do
    [ -e "$out/$folder/config.json" ] || continue
    local files=(config.json)
    for file in "$out/$folder"/*.safetensors; do
      cmp -s "$file" "$shipped/$(basename "$file")" && continue
      [ $folder = tiny ] || ! cmp -s "$file" "$out/tiny/$(basename "$file")" || continue
      files+=("$(basename "$file")")
    done
    tar -C "$out/$folder" -cf "$KEEP/$folder.tar" "${files[@]}"
  done
}

piece_is_over() { echo "train_tiny.sh: this piece is over; call again to go on with $1" >&2; exit 3; }

# stage RUN STAGE BASE_MODEL OUTPUT STEPS SECONDS BATCH [FLAG...]: trains until it is finished or the piece is over.
stage() {
  local run=$1 name=$2 model=$3 output=$4 steps=$(($5 * percent / 100)) seconds=$6 batch=$7
  shift 7
  [ ! -e "$out/runs/$run.done" ] || return 0
  local left=$((end - SECONDS)) spent=0 limit
  if [ "$device" = cuda ]; then
    [ ! -e "$out/runs/$run.seconds" ] || spent=$(cat "$out/runs/$run.seconds")
    seconds=$((seconds - spent)) left=$((left - 15))  # of which it starts and ends
    if [ "$left" -ge "$seconds" ]; then
      limit=(--max-seconds "$seconds" --finish-at-limit yes)
    else
      # A start has to pay, and what would be lost between two machines is not begun.
      [ "$left" -ge 60 ] || piece_is_over "$run"
      [ -z "${KEEP:-}" ] || [ "$seconds" -gt $((piece_seconds - 30)) ] || piece_is_over "$run"
      limit=(--max-seconds "$left")
    fi
  else
    [ "$left" -gt 5 ] || piece_is_over "$run"
    limit=(--max-seconds "$left")
  fi
  "$train" "$name" --model "$model" --output "$output" --run "$out/runs/$run" --device "$device" ${share[@]+"${share[@]}"} \
    --steps "$((steps > 0 ? steps : 1))" --batch "$batch" "${limit[@]}" "$@" 2>&1 | tee -a "$out/runs/$run.log"
  if tail -n 1 "$out/runs/$run.log" | grep -q ': paused;'; then
    echo $((spent + left)) >"$out/runs/$run.seconds"
    piece_is_over "$run"
  fi
  touch "$out/runs/$run.done"
  [ ${#beside[@]} -gt 0 ] || keep
}

# Steps that the denoiser makes in $1 seconds, by its rate once the clips are made: measured once, in a run that is thrown away.
denoiser_steps() {
  local log=$out/runs/rate.log
  if [ "$device" = cpu ]; then echo 4500; return; fi
  if [ ! -e "$log" ]; then
    "$train" denoiser --model "$shipped" --output "$out/rate" --run "$out/runs/rate" --device cuda ${share[@]+"${share[@]}"} \
      --steps 1000000 --batch "$clips_denoiser" --max-seconds 40 --checkpoint-every 1000000 --continue-weights yes --pool "$pool" \
      >"$log" 2>&1 || { cat "$log" >&2; rm "$log"; return 1; }
    rm -r "$out/runs/rate"
  fi
  tr '\r' '\n' <"$log" | awk -v seconds="$1" '
    /steps\/s/ { sub(/.*: step /, ""); steps[++n] = $1; split($0, part, ", "); time[n] = $1 / (part[3] + 0) }
    END { for (half = n; half > 1 && time[half] > time[n] / 2;) --half
          print int((steps[n] - steps[half]) / (time[n] - time[half]) * (seconds - 20) * 0.98) }'
}

# stage_beside RUN ...: the same, beside the stages that follow until finish_beside; on a CPU, before them. On the last GPU alone.
beside=()
stage_beside() {
  if [ "$device" = cpu ]; then stage "$@"; return; fi
  beside+=(0)  # not its number yet, but it must know that it is not alone
  set -m       # a process group of its own, to be ended as one
  { share=(); [ "$gpus" -eq 1 ] || export CUDA_VISIBLE_DEVICES=$((gpus - 1)); stage "$@"; } &
  set +m
  beside[-1]=$!
}

# finish_beside [FILE FOLDER]...: waits for all that run beside this, copies each FILE of OUT/FOLDER into OUT/routed, keeps it all.
finish_beside() {
  local job status=0
  for job in ${beside[@]+"${beside[@]}"}; do wait "$job" || status=$?; done
  beside=()
  [ $status -eq 0 ] || exit $status
  for (( ; $# > 0; )); do
    [ ! -e "$out/$2" ] || cp "$out/$2/$1" "$out/routed/"
    shift 2
  done
  keep
}
trap 'for job in ${beside[@]+"${beside[@]}"}; do kill -- "-$job" 2>/dev/null || true; done' EXIT

if [ ! -e "$out" ] && [ -n "${RESTORE:-}" ]; then restore; fi
mkdir -p "$out/runs"
set -o pipefail
case $start in
  new)
    stage autoencoder autoencoder "$shipped" "$out/tiny" 6200 240 $clips_autoencoder
    stage denoiser denoiser "$out/tiny" "$out/teacher" 6900 800 $clips_denoiser --pool 16384
    stage_beside classifier classifier "$out/tiny" "$out/tiny" 800 165 $clips_classifier
    stage distill distill "$out/teacher" "$out/tiny" 260 165 $clips_distill
    finish_beside
    cp "$out/teacher/text_encoder.safetensors" "$out/tiny/"  # the one that this transformer was trained with
    stage routers routers "$out/tiny" "$out/tiny" 200 40 $clips_routers
    stage_beside decoder autoencoder "$out/tiny" "$out/decoder" 2250 205 $clips_autoencoder \
      --continue-weights yes --frozen-share 1 --learning-rate 1e-3
    stage_beside wording wording "$out/tiny" "$out/wording" 2000 205 64
    stage distill_routed distill "$out/tiny" "$out/routed" 340 205 $clips_distill \
      --teacher "$out/teacher" --routed-share 0.4 --learning-rate 1.2e-4
    finish_beside autoencoder.safetensors decoder text_encoder.safetensors wording
    stage routers_again routers "$out/routed" "$out/routed" 250 40 $clips_routers
    result=$out/routed
    ;;
  more)
    [ -e "$out/runs/routers_again.done" ] ||
      { echo "train_tiny.sh: more: $out has no finished \"new\"; train that first" >&2; exit 2; }
    stage denoiser_more denoiser "$out/teacher" "$out/teacher" 8900 1000 $clips_denoiser \
      --continue-weights yes --train-text no --pool 16384 --learning-rate 1e-3 --warmup-steps 80 --seed 2
    stage distill_more distill "$out/routed" "$out/routed" 580 330 $clips_distill \
      --teacher "$out/teacher" --routed-share 0.4 --learning-rate 1.2e-4 --seed 2
    stage routers_more routers "$out/routed" "$out/routed" 250 45 $clips_routers --seed 2
    result=$out/routed
    ;;
  continue)
    stage denoiser denoiser "$shipped" "$out/teacher" 4500 510 $clips_denoiser \
      --continue-weights yes --train-text no --pool 16384 --learning-rate 6e-4 --warmup-steps 80 --seed 3
    stage_beside decoder autoencoder "$shipped" "$out/decoder" 3700 330 $clips_autoencoder \
      --continue-weights yes --frozen-share 1 --learning-rate 1e-3 --seed 3
    stage distill distill "$shipped" "$out/routed" 580 330 $clips_distill \
      --teacher "$out/teacher" --routed-share 0.4 --learning-rate 1.2e-4 --seed 3
    finish_beside autoencoder.safetensors decoder
    stage routers routers "$out/routed" "$out/routed" 250 45 $clips_routers --seed 3
    result=$out/routed
    ;;
  long)
    pool=24576 unknown_words=0.15
    read -r first_seconds second_seconds <<<"${DENOISER_SECONDS:-450 530}"
    steps=$(denoiser_steps "$first_seconds")
    stage denoiser_first denoiser "$shipped" "$out/teacher" "$steps" "$first_seconds" "$clips_denoiser" --continue-weights yes \
      --pool $pool --unknown-words $unknown_words --learning-rate 1.2e-3 --last-learning-rate 7e-4 --warmup-steps 300 --seed 11
    steps=$(denoiser_steps "$second_seconds")
    stage denoiser_second denoiser "$out/teacher" "$out/teacher" "$steps" "$second_seconds" "$clips_denoiser" --continue-weights yes \
      --pool $pool --unknown-words $unknown_words --learning-rate 7e-4 --warmup-steps 100 --seed 12
    stage distill distill "$out/teacher" "$out/tiny" 340 180 "$clips_distill" --unknown-words $unknown_words --seed 13
    stage routers routers "$out/tiny" "$out/tiny" 200 40 "$clips_routers" --seed 13
    stage_beside wording wording "$out/teacher" "$out/wording" 2000 205 64 --seed 13
    stage distill_routed distill "$out/tiny" "$out/routed" 340 205 "$clips_distill" --teacher "$out/teacher" --routed-share 0.4 \
      --unknown-words $unknown_words --learning-rate 1.2e-4 --seed 14
    finish_beside text_encoder.safetensors wording
    stage routers_again routers "$out/routed" "$out/routed" 250 45 "$clips_routers" --seed 14
    result=$out/routed
    ;;
  *) echo "train_tiny.sh: start '$start': must be new, more, continue or long" >&2; exit 2 ;;
esac
echo "train_tiny.sh: done; the model is in $result. Judge it: $train evaluate --model $result --clips 512"
