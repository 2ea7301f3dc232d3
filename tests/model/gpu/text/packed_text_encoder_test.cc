// The packed text encoder on a GPU in bf16 against the plain one in fp32.
#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <utility>
#include <vector>

#include "model/gpu/text/packed_text_encoder.h"
#include "model/weights/random_weights.h"

namespace videodiffcr {
namespace {

TEST(PackedTextEncoderOnDevice, InBfloat16IsThePlainEncoderButForRounding) {
  at::globalContext().setAllowTF32CuBLAS(false);
  const at::NoGradGuard no_gradients;
  TextEncoderConfig config;
  config.vocab_size = 1000;
  config.dim = config.dim_attn = 512;
  config.dim_ffn = 1280;
  config.num_heads = 8;
  config.num_layers = 6;
  const at::Device gpu(at::kCUDA, 0);
  TextEncoderWeights wide, narrow;
  const std::vector<WeightRow> rows = TextEncoderWeightTable(config, &wide);
  FillRandomWeights(rows, 3, {.dtype = at::kFloat, .device = gpu});
  const std::vector<WeightRow> narrow_rows = TextEncoderWeightTable(config, &narrow);
  for (size_t i = 0; i < rows.size(); ++i) {
    *narrow_rows[i].destination = rows[i].destination->to(at::kBFloat16);
    *rows[i].destination = narrow_rows[i].destination->to(at::kFloat);  // the same numbers
  }
  // Trained weights keep the logits small; without that attention picks single keys, and rounding decides which.
  for (size_t i = 0; i < wide.blocks.size(); ++i) {
    for (TextEncoderBlockWeights* block : {&wide.blocks[i], &narrow.blocks[i]}) block->q.mul_(0.125);
  }
  const PackedTextEncoder packed(config, std::move(narrow), 512);
  for (const int tokens : {1, 7, 64, 129, 512}) {
    std::vector<int32_t> ids;
    for (int i = 0; i < tokens; ++i) ids.push_back(i * 37 % 1000);
    const at::Tensor batch = at::tensor(std::vector<int64_t>(ids.begin(), ids.end()), at::kLong).unsqueeze(0).to(gpu);
    const at::Tensor expected = EncodeTokens(config, wide, batch)[0];
    const at::Tensor ours = packed.Encode(ids)->to(at::kFloat);
    const double error = ((ours - expected).norm() / expected.norm()).item<double>();
    const double cosine = ((ours * expected).sum() / (ours.norm() * expected.norm())).item<double>();
    std::printf("umt5 bf16, %d tokens: relative error %.2e cosine %.6f\n", tokens, error, cosine);
    EXPECT_LE(error, 2e-2) << tokens;
    EXPECT_GE(cosine, 0.9998) << tokens;
  }
}

}  // namespace
}  // namespace videodiffcr
