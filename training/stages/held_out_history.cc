#include "training/stages/held_out_history.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include <algorithm>

namespace videodiffcr::training {

HeldOutHistory::HeldOutHistory(int64_t steps, int64_t every, int64_t blocks, at::Device device)
    : steps_(steps),
      every_(every),
      values_(
          at::full({(steps + every - 1) / every + 1, blocks, 2}, -1.0, at::TensorOptions(at::kFloat).device(device))) {}

void HeldOutHistory::Set(int64_t place, const std::vector<RouterQuality>& blocks) {
  const at::Tensor measure = at::empty(values_.sizes().slice(1), at::kFloat);
  float* value = measure.mutable_data_ptr<float>();
  for (const RouterQuality& block : blocks) {
    *value++ = static_cast<float>(block.variance_explained);
    *value++ = static_cast<float>(block.overlap);
  }
  values_.select(0, place).copy_(measure);
}

std::vector<HeldOutMeasure> HeldOutHistory::Measures() const {
  std::vector<HeldOutMeasure> measures;
  const at::Tensor on_cpu = values_.cpu();
  const auto value = on_cpu.accessor<float, 3>();
  for (int64_t place = 0; place <= last(); ++place) {
    if (value[place][0][1] < 0) continue;
    HeldOutMeasure& measure = measures.emplace_back();
    measure.step = std::min(place * every_, steps_);
    for (int64_t block = 0; block < values_.size(1); ++block) {
      measure.variance_explained.push_back(value[place][block][0]);
      measure.overlap.push_back(value[place][block][1]);
    }
  }
  return measures;
}

}  // namespace videodiffcr::training
