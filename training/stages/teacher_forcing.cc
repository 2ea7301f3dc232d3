#include "training/stages/teacher_forcing.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>

#include <utility>

#include "absl/strings/str_cat.h"

namespace videodiffcr::training {

at::Tensor TeacherForcingFlow(const DiffusionTransformer& model, const TeacherForcingInput& input) {
  const int64_t frames = model.config.chunk_frames;
  const int64_t chunks = static_cast<int64_t>(input.text.size());
  const at::TensorOptions doubles = input.noisy.options().dtype(at::kDouble);
  std::vector<KeysValues> past;
  std::vector<at::Tensor> flows;
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    PassInput pass;
    pass.latents = input.noisy.narrow(1, chunk * frames, frames);
    pass.timesteps = input.timesteps.narrow(1, chunk, 1).to(at::kDouble).expand({-1, frames});
    pass.first_frame = chunk * frames;
    pass.text = &input.text[chunk];
    pass.past = past;
    flows.push_back(RunPass(model, pass).flow);
    if (chunk + 1 == chunks) break;  // no one sees the last chunk's clean copy
    pass.latents = input.clean.narrow(1, chunk * frames, frames);
    pass.timesteps = at::zeros({pass.latents.size(0), frames}, doubles);
    const PassOutput context = RunPass(model, pass);
    past.resize(context.keys.size());
    for (size_t block = 0; block < past.size(); ++block) past[block] = Concatenate(past[block], context.keys[block]);
  }
  return at::cat(flows, 1);
}

at::Tensor ShiftedSigma(const at::Tensor& u, double shift) { return u * shift / (u * (shift - 1) + 1); }

at::Tensor PerLatentFrame(const at::Tensor& per_chunk, int64_t chunk_frames) {
  return per_chunk.repeat_interleave(chunk_frames, 1).unsqueeze(-1).unsqueeze(-1).unsqueeze(-1);
}

at::Tensor MaskedMeanSquare(const at::Tensor& error, const at::Tensor& mask, int64_t chunk_frames) {
  const at::Tensor of_chunks = error.square().unflatten(1, {-1, chunk_frames}).mean({2, 3, 4, 5});  // [B, K]
  return (of_chunks * mask).sum() / mask.sum();
}

DiffusionTransformer CloneTransformer(const DiffusionTransformer& model) {
  DiffusionTransformer clone = model;
  for (const WeightRow& row : TransformerWeightTable(clone.config, &clone.weights)) {
    *row.destination = row.destination->detach().clone();
  }
  return clone;
}

std::vector<WeightRow> WithPrefix(const std::string& prefix, std::vector<WeightRow> rows) {
  for (WeightRow& row : rows) row.name = absl::StrCat(prefix, ".", row.name);
  return rows;
}

}  // namespace videodiffcr::training
