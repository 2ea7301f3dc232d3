// The shipped tiny model: six chunks with a prompt switch against latents from its own training framework.
#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>

#include "gtest/gtest.h"
#include "model/plain/rollout/few_step_sampler.h"
#include "model/weights/weight_table.h"

namespace videodiffcr {
namespace {

at::Tensor Read(const SafetensorsReader& file, const char* name) {
  return CopyToTensor(*file.Find(name)).to(at::kFloat);
}

TEST(TinyRollout, LatentsAreTheReferencesThroughWindowSinkAndPromptSwitch) {
  const c10::NoGradGuard no_gradients;
  const SafetensorsReader golden = *SafetensorsReader::Open("tests/golden/tiny/rollout.safetensors");
  const SafetensorsReader weights = *SafetensorsReader::Open("tests/golden/tiny/transformer.safetensors");
  DiffusionTransformer model;
  model.config = LoadModelConfig("models/tiny")->transformer;
  absl::StatusOr<TransformerWeights> loaded = LoadTransformerWeights(weights, model.config);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  model.weights = *std::move(loaded);

  const at::Tensor hidden = Read(golden, "out.text_hidden"), noise = Read(golden, "in.noise");
  const at::Tensor renoise = Read(golden, "in.renoise"), expected = Read(golden, "out.latents");
  SamplerOptions options;
  options.schedule = *MakeStepSchedule(SamplingConfig());
  RolloutState state(model.config);
  for (int64_t chunk = 0; chunk < 6; ++chunk) {
    if (chunk == 0) state.text = MakeTextKeys(model, hidden.narrow(0, 0, 1));
    if (chunk == 4) state.text = MakeTextKeys(model, hidden.narrow(0, 1, 1));
    ChunkNoise of_chunk = {noise.narrow(0, 3 * chunk, 3).unsqueeze(0)};
    for (int64_t draw = 3 * chunk; draw < 3 * chunk + 3; ++draw) of_chunk.push_back(renoise.narrow(0, draw, 1));
    const at::Tensor latents =
        SampleChunk(model, options, DenseRetentionTable(6, 4), of_chunk, &state).latents.select(0, 0);
    EXPECT_LE((latents - expected.narrow(0, 3 * chunk, 3)).abs().max().item<double>(), 1e-3) << "chunk " << chunk;
  }
}

}  // namespace
}  // namespace videodiffcr
