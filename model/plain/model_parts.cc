#include "model/plain/model_parts.h"

#include "model/config/retention_table.h"

namespace videodiffcr {

ModelInfo DescribeModel(const ModelParts& model, const std::string& device) {
  const ModelConfig& config = model.config;
  ModelInfo info;
  info.name = config.name;
  info.description = config.description;
  info.device = device;
  info.width = static_cast<int>(config.pixel_width());
  info.height = static_cast<int>(config.pixel_height());
  info.frames_per_second = config.frames_per_second;
  info.first_chunk_frames = static_cast<int>(config.first_chunk_frames());
  info.chunk_frames = static_cast<int>(config.later_chunk_frames());
  info.denoise_steps = static_cast<int>(config.sampling.denoise_steps.size());
  info.tokens_per_chunk = config.transformer.tokens_per_chunk();
  info.window_tokens = config.transformer.window_tokens();
  const TransformerConfig& sizes = config.transformer;
  info.latents_per_chunk = sizes.chunk_frames * sizes.out_dim * sizes.latent_height * sizes.latent_width;
  const auto chunks_of = [&](int64_t frames) {
    return static_cast<int>((frames + sizes.chunk_frames - 1) / sizes.chunk_frames);
  };
  info.sink_chunks = chunks_of(sizes.sink_frames);
  info.window_chunks = info.sink_chunks + chunks_of(sizes.window_frames - sizes.chunk_frames - sizes.sink_frames);
  const CacheRetention& cache = config.retention.cache;
  const auto cache_share = [&](RetentionTenths budget) { return MeanShareKept(cache, budget, sizes.num_layers); };
  info.budgets.push_back({kDenseTenths, 1.0, cache_share(kDenseTenths)});
  for (const RetentionTable& table : config.retention.tables) {
    info.budgets.push_back(
        {table.nominal, ExecutedRetention(table, info.tokens_per_chunk), cache_share(table.nominal)});
  }
  if (!cache.whole()) info.cache_score = CacheScoreName(cache.score);
  info.max_prompt_tokens = static_cast<int>(config.transformer.text_len);
  info.vocabulary = model.tokenizer.vocabulary();
  info.example_prompts = config.example_prompts;
  return info;
}

}  // namespace videodiffcr
