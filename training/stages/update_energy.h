// What a block would leave undone at every ratio, measured along dense rollouts: of its update, the part of the tokens
// that change least. Retention tables come of it without any training.
#ifndef VIDEODIFFCR_TRAINING_STAGES_UPDATE_ENERGY_H_
#define VIDEODIFFCR_TRAINING_STAGES_UPDATE_ENERGY_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "training/students/learned_ratios.h"

namespace videodiffcr::training {

// Of one denoising pass [blocks + 1, clips, N, D] (ObservedPass::stream): for every block and tenth t, the squared norm
// of the updates of all tokens but the t N / 10 that it changes most, over the squared norm of the stream that it
// leaves; mean over clips. [blocks, 10] fp32, falling, 0 at the last.
at::Tensor DroppedEnergy(const at::Tensor& stream);

// From sums of DroppedEnergy() [blocks, steps, 10]: a block's loss at each ratio from the floor to 1, its steps'
// summed. [block][ratio - floor], as LeastSensitiveTenths() takes it.
std::vector<std::vector<double>> LossesOf(const at::Tensor& energies, const RatioRule& rule);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STAGES_UPDATE_ENERGY_H_
