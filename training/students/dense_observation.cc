#include "training/students/dense_observation.h"

#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>

#include <string>
#include <vector>

#include "training/run/random_tensor.h"
#include "training/scenes/caption.h"
#include "training/scenes/scene.h"

namespace videodiffcr::training {
namespace {

constexpr int64_t kChunks = 3;
constexpr int64_t kClipsOnCpu = 4, kClipsOnGpu = 32;  // a CPU would take half a minute for more

std::vector<std::string> DrawCaptions(uint64_t seed, int64_t clips) {
  std::vector<std::string> captions;
  for (int64_t clip = 0; clip < clips; ++clip) {
    RandomStream random(seed, DrawPurpose::kCaption, static_cast<uint64_t>(clip));
    captions.push_back(MakeCaption(SampleScene({}, random).segments[0], {}, random));
  }
  return captions;
}

}  // namespace

at::Tensor StandardizedLogNorm(const at::Tensor& update) {
  const at::Tensor log_norm = (update.norm(2, {-1}) + 1e-6).log();
  const at::Tensor centred = log_norm - log_norm.mean(1, /*keepdim=*/true);
  return centred / (centred.square().mean(1, /*keepdim=*/true).sqrt() + 1e-6);
}

absl::Status ObserveDenseRollouts(const TrainingModel& model, uint64_t seed,
                                  const std::function<void(const ResidualStream&)>& visit,
                                  const DenseObservation& observation) {
  const c10::NoGradGuard no_gradients;
  const int64_t few = model.device.is_cpu() ? kClipsOnCpu : kClipsOnGpu;
  const absl::StatusOr<at::Tensor> hidden =
      EncodeCaptions(model, DrawCaptions(seed, observation.clips > 0 ? observation.clips : few));
  if (!hidden.ok()) return hidden.status();
  StepRandom random(seed, 0, model.device);
  VisitDensePasses(model, *hidden, kChunks, random, visit, observation.context);
  return absl::OkStatus();
}

}  // namespace videodiffcr::training
