// What was measured on held-out clips so far, as a checkpoint keeps it: a tensor of one shape, whatever of it is known.
#ifndef VIDEODIFFCR_TRAINING_STAGES_HELD_OUT_HISTORY_H_
#define VIDEODIFFCR_TRAINING_STAGES_HELD_OUT_HISTORY_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "model/weights/weight_table.h"
#include "training/figures/held_out_figure.h"
#include "training/stages/router_target.h"

namespace videodiffcr::training {

class HeldOutHistory {
 public:
  // Measures before steps 0, every, 2 every, ... and after the last of `steps`.
  HeldOutHistory(int64_t steps, int64_t every, int64_t blocks, at::Device device);

  // For a checkpoint, on the device.
  WeightRow Row() { return {"held_out", values_.sizes().vec(), &values_}; }

  // Measure `place`, which may be last(): a value per block.
  void Set(int64_t place, const std::vector<RouterQuality>& blocks);
  int64_t last() const { return values_.size(0) - 1; }

  // Those that are known, in order.
  std::vector<HeldOutMeasure> Measures() const;

 private:
  const int64_t steps_, every_;
  at::Tensor values_;  // [measures, blocks, 2]; an overlap below 0 is not known yet
};

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STAGES_HELD_OUT_HISTORY_H_
