// A step's batch in equal pieces: a process takes one or several, one after another, and others take the rest. What is
// drawn for a step is drawn for the whole batch, and a piece takes its clips of it: how a batch is cut changes nothing
// but the order of sums.
#ifndef VIDEODIFFCR_TRAINING_RUN_BATCH_PIECE_H_
#define VIDEODIFFCR_TRAINING_RUN_BATCH_PIECE_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace videodiffcr::training {

// Clips index, index + count, index + 2 count, ... of a batch that `count` divides.
struct BatchPiece {
  int64_t index = 0;
  int64_t count = 1;

  template <typename Value>
  std::vector<Value> Of(const std::vector<Value>& clips) const {
    std::vector<Value> taken;
    for (size_t clip = static_cast<size_t>(index); clip < clips.size(); clip += static_cast<size_t>(count)) {
      taken.push_back(clips[clip]);
    }
    return taken;
  }
  // `clips` [batch, ...].
  at::Tensor Of(const at::Tensor& clips) const {
    return count == 1 ? clips : clips.slice(0, index, std::nullopt, count).contiguous();
  }
  // How many of the first `clips` of the batch are in the piece.
  int64_t CountBelow(int64_t clips) const { return clips > index ? (clips - index + count - 1) / count : 0; }
};

// What the loss of one of the `pieces` that a process takes of a step adds to the mean.
inline at::Tensor PartOfLoss(const at::Tensor& loss, int64_t pieces) {
  return pieces == 1 ? loss : loss.div(static_cast<double>(pieces));
}

// Adds the gradient of a piece. Returns the piece's part of the mean loss, for which it waits for the device.
inline double AddGradient(const at::Tensor& loss, int64_t pieces) {
  const at::Tensor part = PartOfLoss(loss, pieces);
  part.backward();
  return part.item<double>();
}

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_RUN_BATCH_PIECE_H_
