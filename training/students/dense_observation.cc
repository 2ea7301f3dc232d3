#include "training/students/dense_observation.h"

#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>

#include <string>

#include "model/plain/rollout/few_step_sampler.h"
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
                                  const std::function<void(const ResidualStream&)>& visit) {
  const c10::NoGradGuard no_gradients;
  const TransformerConfig& config = model.config.transformer;
  const int64_t clips = model.device.is_cpu() ? kClipsOnCpu : kClipsOnGpu;
  StepRandom random(seed, 0, model.device);
  RolloutState state(config);
  const absl::StatusOr<at::Tensor> hidden = EncodeCaptions(model, DrawCaptions(seed, clips));
  if (!hidden.ok()) return hidden.status();
  state.text = MakeTextKeys(model.transformer, *hidden);
  const std::vector<int64_t> shape = {clips, config.chunk_frames, config.in_dim, config.latent_height,
                                      config.latent_width};
  for (int64_t chunk = 0; chunk < kChunks; ++chunk) {
    at::Tensor x = random.Normal(shape), x0;
    for (size_t step = 0; step < model.schedule.sigmas.size(); ++step) {
      ResidualStream stream;
      PassInput pass = MakePass(x, model.schedule.timesteps[step], {}, state);
      pass.runner = [&](size_t index, const BlockContext& context, const at::Tensor& tokens) {
        BlockOutput block = DenseBlock(model.transformer.weights.blocks[index], context, tokens);
        stream.push_back(tokens);
        if (index + 1 == model.transformer.weights.blocks.size()) stream.push_back(block.x);
        return block;
      };
      x0 = FlowToX0(RunPass(model.transformer, pass).flow, x, model.schedule.sigmas[step]);
      visit(stream);
      if (step + 1 < model.schedule.sigmas.size()) {
        x = AddNoise(x0, random.Normal(shape), model.schedule.sigmas[step + 1]);
      }
    }
    state.cache.Append(RunPass(model.transformer, MakePass(x0, 0.0f, {}, state)).keys);
  }
  return absl::OkStatus();
}

}  // namespace videodiffcr::training
