// A transformer small enough for tests, its weights made by the fill rule: the network of golden_checks.md section 2.
#ifndef VIDEODIFFCR_TESTS_MODEL_SMALL_TRANSFORMER_H_
#define VIDEODIFFCR_TESTS_MODEL_SMALL_TRANSFORMER_H_

#include <ATen/core/Tensor.h>

#include "model/plain/transformer/diffusion_transformer.h"
#include "parity/fill_rule.h"

namespace videodiffcr {

inline TransformerConfig SmallTransformerConfig() {
  TransformerConfig config;
  config.in_dim = config.out_dim = 4;
  config.dim = 32;
  config.ffn_dim = 64;
  config.freq_dim = 16;
  config.text_dim = 24;
  config.text_len = 8;
  config.num_heads = 2;
  config.num_layers = 2;
  config.latent_height = 4;
  config.latent_width = 6;
  return config;
}

inline DiffusionTransformer MakeSmallTransformer(const TransformerConfig& config = SmallTransformerConfig()) {
  DiffusionTransformer model;
  model.config = config;
  FillByRule(TransformerWeightTable(config, &model.weights));
  return model;
}

// The same with routers of width 8.
inline DiffusionTransformer MakeSmallRoutedTransformer(const TransformerConfig& config = SmallTransformerConfig()) {
  DiffusionTransformer model = MakeSmallTransformer(config);
  FillByRule(RouterWeightTable(config, 8, &model.weights));
  return model;
}

// The prompt of golden_checks.md section 2: [1, 8, text_dim], the last three rows zero.
inline at::Tensor SmallPrompt() {
  at::Tensor prompt = FillUniform("prompt", {1, 8, 24});
  prompt.narrow(1, 5, 3).zero_();
  return prompt;
}

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_TESTS_MODEL_SMALL_TRANSFORMER_H_
