// The serving path against the plain path that reads like the paper, over shapes and rules that the golden files do not
// have.
#include <ATen/Context.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include <vector>

#include "model/cpu/chunk_sampler.h"
#include "tests/model/path_cases.h"

namespace videodiffcr {
namespace {

using namespace path_cases;

std::vector<at::Tensor> ServedLatents(const Case& c, const DiffusionTransformer& model, const RetentionTable& table,
                                      const at::Tensor& prompt, const std::vector<ChunkNoise>& noise, int lanes) {
  const RetentionConfig retention = RetentionOf(c);
  const StepSchedule schedule = *MakeStepSchedule({});
  const cpu::CpuTransformer transformer(
      model.config, retention, cpu::PackTransformer(model.config, model.weights, schedule.timesteps_and_context()));
  const cpu::ChunkSampler sampler(&transformer, retention, schedule.sigmas);
  cpu::SamplerSession session(model.config);
  session.text = transformer.EncodeText(prompt.const_data_ptr<float>(), prompt.size(1));
  cpu::PassScratch scratch(model.config, retention);
  cpu::LanePool pool(lanes);
  std::vector<at::Tensor> latents;
  for (const ChunkNoise& draws : noise) {
    const cpu::NoiseSource source = [&](int draw, cpu::FloatBuffer& out) {
      std::copy_n(draws[draw].const_data_ptr<float>(), out.size(), out.data());
    };
    pool.Run(1, lanes, [&](int, cpu::TeamMember& member) {
      for (int step = 0; step < sampler.steps(); ++step)
        sampler.Denoise(session, step, &table, source, scratch, member);
    });
    latents.push_back(at::from_blob(session.latents.data(), draws[0].sizes().slice(1), at::kFloat).clone());
    pool.Run(1, lanes, [&](int, cpu::TeamMember& member) { sampler.Context(session, &table, scratch, member); });
  }
  return latents;
}

TEST(ServingPathTest, EqualsThePlainPathForEveryModeWindowAndGate) {
  const at::NoGradGuard no_gradients;
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    at::manual_seed(7);
    const TransformerConfig config = ConfigOf(c);
    ASSERT_TRUE(config.Validate().ok()) << config.Validate();
    const DiffusionTransformer model = {config, RandomWeights(config, c.bypass_rank)};
    const RetentionTable table = TableOf(c);
    const at::Tensor prompt = at::randn({1, 4, config.text_dim});
    const std::vector<ChunkNoise> noise = RandomNoise(c);
    const std::vector<at::Tensor> plain = PlainLatents(c, model, table, prompt, noise);
    const std::vector<at::Tensor> served = ServedLatents(c, model, table, prompt, noise, 2);
    const std::vector<at::Tensor> alone = ServedLatents(c, model, table, prompt, noise, 1);
    for (size_t chunk = 0; chunk < noise.size(); ++chunk) {
      EXPECT_LE(plain[chunk].sub(served[chunk]).abs().max().item<float>(), 1e-4f) << "chunk " << chunk;
      EXPECT_TRUE(served[chunk].equal(alone[chunk])) << "two lanes and one lane differ in chunk " << chunk;
    }
  }
}

}  // namespace
}  // namespace videodiffcr
