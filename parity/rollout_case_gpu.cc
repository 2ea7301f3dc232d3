// Cases of kind "rollout" on the GPU path in fp32: slots, packed rows, kernels of model/kernels.
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <c10/cuda/CUDAGuard.h>

#include <utility>

#include "model/gpu/chunk_sampler.h"
#include "parity/parity_case.h"
#include "parity/rollout_case_settings.h"

namespace videodiffcr {
namespace {

using gpu::ChunkSampler;
using gpu::ChunkStep;
using gpu::GpuTransformer;
using gpu::Precision;
using gpu::SessionPool;

constexpr int kSlot = 1;  // of two: whatever mistakes slot 0 for all slots shows
constexpr kernels::Element kKeys = kernels::Element::kFloat32;

class GpuRollout {
 public:
  GpuRollout(const RolloutCase& rollout, gpu::GpuTransformerWeights weights, const StepSchedule& schedule)
      : rollout_(rollout),
        pool_(rollout.config, Precision::kFloat32, kKeys, /*slots=*/2),
        transformer_(rollout.config, rollout.Retention(), std::move(weights), Precision::kFloat32, kKeys,
                     /*most_sessions=*/1, /*processors=*/1),
        engine_(rollout.config, rollout.Retention(), schedule, &transformer_, &pool_) {
    EncodeText(rollout.prompt);
  }

  void RunChunk(int64_t chunk, CaseOutputs* outputs) {
    if (chunk == rollout_.switch_at_chunk) EncodeText(rollout_.prompt_switched);
    std::vector<at::Tensor> noise;
    for (const at::Tensor& draw : rollout_.noise[chunk]) noise.push_back(draw[0].contiguous());
    ChunkStep step;
    step.slot = kSlot;
    step.chunk = chunk;
    step.table = rollout_.table.tenths.empty() ? nullptr : &rollout_.table;
    step.noise = &noise;
    for (step.step = 0; step.step < engine_.steps(); ++step.step) RunStep(step, outputs);
    latents_.push_back(pool_.latents(kSlot).to(at::kCPU));
    step.context_pass = true;
    RunStep(step, nullptr);
  }

  void AddLatentsAndCache(CaseOutputs* outputs) {
    const TransformerConfig& c = rollout_.config;
    (*outputs)["out.latents"] = at::cat(latents_, 0);
    // Window-relative keys are cached before their turn.
    const at::Tensor keys = pool_.relative() ? pool_.plain_keys(c.num_layers - 1) : pool_.keys(c.num_layers - 1);
    (*outputs)["out.cache_k_last_layer"] = InOrder(keys, pool_.relative());
    (*outputs)["out.cache_v_first_layer"] = InOrder(pool_.values(0), false);
  }

 private:
  void EncodeText(const at::Tensor& prompt) { transformer_.EncodeText(prompt[0].contiguous(), kSlot, pool_); }

  void RunStep(const ChunkStep& step, CaseOutputs* outputs) {
    std::vector<ChunkStep> steps = {step};
    if (outputs == nullptr) return engine_.Run(steps);
    // A dense block keeps all tokens.
    for (int64_t layer = 0; layer < rollout_.config.num_layers; ++layer) {
      (*outputs)[KeptOutputName(step.chunk, step.step, layer)] =
          at::arange(rollout_.config.tokens_per_chunk(), at::TensorOptions().dtype(at::kLong));
    }
    engine_.Run(steps, [&](int, int64_t layer, const at::Tensor& kept) {
      (*outputs)[KeptOutputName(step.chunk, step.step, layer)] = kept.to(at::kLong).to(at::kCPU);
    });
  }

  // Rows of the slot in playing order, past then current chunk: [tokens, heads, head_dim]. All layers have them at the
  // same places, since everything stays.
  at::Tensor InOrder(const at::Tensor& rows, bool plain) const {
    const TransformerConfig& c = rollout_.config;
    const PastWindow window = MakePastWindow(c);
    const int64_t committed = pool_.state(kSlot).frames_committed, frame_rows = c.tokens_per_frame();
    std::vector<at::Tensor> parts;
    for (int64_t frame = 0; frame < committed; ++frame) {
      if (!window.is_visible(frame, committed)) continue;
      parts.push_back(rows.narrow(0, pool_.key_row(kSlot, 0) + window.slot(frame) * frame_rows, frame_rows));
    }
    const int64_t chunk_row =
        plain ? pool_.plain_chunk_row(kSlot, 0) : pool_.key_row(kSlot, 0) + pool_.past_rows(kSlot, 0);
    parts.push_back(rows.narrow(0, chunk_row, c.tokens_per_chunk()));
    return at::cat(parts).view({-1, c.num_heads, c.head_dim()}).to(at::kCPU);
  }

  const RolloutCase& rollout_;
  SessionPool pool_;
  GpuTransformer transformer_;
  ChunkSampler engine_;
  std::vector<at::Tensor> latents_;
};

}  // namespace

absl::StatusOr<CaseOutputs> RunRolloutGpu(const SafetensorsReader& file, at::Device device) {
  absl::StatusOr<RolloutCase> read = ReadRolloutCase(file, device);
  if (!read.ok()) return read.status();
  const StepSchedule schedule = *MakeStepSchedule(read->sampling);  // ReadRolloutCase() has tried it
  absl::StatusOr<gpu::GpuTransformerWeights> weights =
      gpu::MakeGpuWeights(read->config, read->weights, schedule.timesteps_and_context(), Precision::kFloat32);
  if (!weights.ok()) return weights.status();
  // The default stream waits for nothing, and the pool's memory is filled there.
  const c10::cuda::CUDAStreamGuard on_stream(c10::cuda::getDefaultCUDAStream());
  CaseOutputs outputs;
  GpuRollout run(*read, *std::move(weights), schedule);
  for (size_t chunk = 0; chunk < read->noise.size(); ++chunk) run.RunChunk(chunk, &outputs);
  run.AddLatentsAndCache(&outputs);
  return outputs;
}

}  // namespace videodiffcr
