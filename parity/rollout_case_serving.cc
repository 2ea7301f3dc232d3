// Cases of kind "rollout" on the serving path: ring slots, packed kept rows, two lanes.
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <utility>

#include "model/cpu/chunk_sampler.h"
#include "parity/parity_case.h"
#include "parity/rollout_case_settings.h"

namespace videodiffcr {

namespace {

using cpu::CpuTransformer;
using cpu::SamplerSession;
using cpu::TeamMember;

at::Tensor Copy(const cpu::FloatBuffer& values, std::vector<int64_t> shape) {
  return at::from_blob(const_cast<float*>(values.data()), shape, at::kFloat).clone();
}

cpu::TextKeys EncodeText(const CpuTransformer& transformer, const at::Tensor& prompt) {
  const at::Tensor rows = prompt.contiguous();  // [1, rows, text_dim]
  return transformer.EncodeText(rows.const_data_ptr<float>(), rows.size(1));
}

// Everything that one run of a case needs, on the serving path.
class ServingRollout {
 public:
  explicit ServingRollout(const RolloutCase& rollout)
      : rollout_(rollout),
        schedule_(*MakeStepSchedule(rollout.sampling)),  // ReadRolloutCase() has tried it
        transformer_(rollout.config, rollout.Retention(),
                     cpu::PackTransformer(rollout.config, rollout.weights, schedule_.timesteps_and_context())),
        sampler_(&transformer_, rollout.Retention(), schedule_.sigmas),
        session_(rollout.config),
        scratch_(rollout.config, rollout.Retention()),
        pool_(cpu::kRowGroups) {
    session_.text = EncodeText(transformer_, rollout.prompt);
  }

  void RunChunk(int64_t chunk, CaseOutputs* outputs) {
    if (chunk == rollout_.switch_at_chunk) session_.text = EncodeText(transformer_, rollout_.prompt_switched);
    for (int step = 0; step < sampler_.steps(); ++step) Denoise(chunk, step, outputs);
    const TransformerConfig& c = rollout_.config;
    latents_.push_back(Copy(session_.latents, {c.chunk_frames, c.out_dim, c.latent_height, c.latent_width}));
    pool_.Run(1, pool_.lanes(),
              [&](int, TeamMember& member) { sampler_.Context(session_, Table(), scratch_, member); });
  }

  void AddLatentsAndCache(CaseOutputs* outputs) const {
    const TransformerConfig& c = rollout_.config;
    const std::vector<int64_t> shape = {-1, c.num_heads, c.head_dim()};
    const auto view = [&shape](const cpu::FloatBuffer& values) {
      return Copy(values, {static_cast<int64_t>(values.size())}).view(shape);
    };
    (*outputs)["out.latents"] = at::cat(latents_, 0);
    (*outputs)["out.cache_k_last_layer"] = view(session_.cache.KeysInOrder(c.num_layers - 1));
    (*outputs)["out.cache_v_first_layer"] = view(session_.cache.ValuesInOrder(0));
  }

 private:
  const RetentionTable* Table() const { return rollout_.table.tenths.empty() ? nullptr : &rollout_.table; }

  void Denoise(int64_t chunk, int step, CaseOutputs* outputs) {
    const cpu::NoiseSource noise = [&](int draw, cpu::FloatBuffer& out) {
      const at::Tensor values = rollout_.noise[chunk][draw].contiguous();
      std::copy_n(values.const_data_ptr<float>(), out.size(), out.data());
    };
    // A dense block keeps all tokens.
    for (int64_t layer = 0; layer < rollout_.config.num_layers; ++layer) {
      (*outputs)[KeptOutputName(chunk, step, layer)] =
          at::arange(rollout_.config.tokens_per_chunk(), at::TensorOptions().dtype(at::kLong));
    }
    cpu::PassObserver observer;
    observer.on_kept = [&](int64_t layer, const std::vector<int32_t>& kept) {
      at::Tensor indices = at::arange(static_cast<int64_t>(kept.size()), at::TensorOptions().dtype(at::kLong));
      std::copy(kept.begin(), kept.end(), indices.mutable_data_ptr<int64_t>());
      (*outputs)[KeptOutputName(chunk, step, layer)] = indices;
    };
    pool_.Run(1, pool_.lanes(), [&](int, TeamMember& member) {
      sampler_.Denoise(session_, step, Table(), noise, scratch_, member, observer);
    });
  }

  const RolloutCase& rollout_;
  const StepSchedule schedule_;
  const CpuTransformer transformer_;
  const cpu::ChunkSampler sampler_;
  SamplerSession session_;
  cpu::PassScratch scratch_;
  cpu::LanePool pool_;
  std::vector<at::Tensor> latents_;  // [chunk frames, C, h, w] each
};

}  // namespace

absl::StatusOr<CaseOutputs> RunRolloutServing(const SafetensorsReader& file, at::Device device) {
#if defined(VIDEODIFFCR_CUDA)
  if (device.is_cuda()) return RunRolloutGpu(file, device);
#endif
  if (!device.is_cpu()) return CaseError(file, "the serving path of this build runs on the CPU only; use --device cpu");
  absl::StatusOr<RolloutCase> read = ReadRolloutCase(file, device);
  if (!read.ok()) return read.status();
  CaseOutputs outputs;
  ServingRollout run(*read);
  for (size_t chunk = 0; chunk < read->noise.size(); ++chunk) run.RunChunk(chunk, &outputs);
  run.AddLatentsAndCache(&outputs);
  return outputs;
}

}  // namespace videodiffcr
