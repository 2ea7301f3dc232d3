#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/commands.h"
#include "bench/shape_model.h"
#include "model/config/model_config.h"
#include "system/steady_time.h"
#include "system/wrong_usage.h"

namespace videodiffcr {

absl::StatusOr<std::string> MakeModel(const MakeModelOptions& options) {
  if (options.output.empty()) {
    return WrongUsageError("output: empty; name the folder to write with --output");
  }
  const bool links = !options.weights_from.empty();
  if (links && options.bypass_rank > 0) {
    return WrongUsageError("bypass-rank: needs weights of its own, so it does not go with --weights-from");
  }
  absl::StatusOr<ModelConfig> config = LoadModelConfig(links ? options.weights_from : options.tokenizer_folder);
  if (config.ok() && !links) config = MakeShapeConfig(options.preset, *config);
  if (!config.ok()) return config.status();
  if (options.window_frames > 0) {
    config->transformer.window_frames = options.window_frames;
    config->transformer.sink_frames = options.sink_frames;
  }
  if (options.bypass_rank > 0) config->retention.bypass_rank = options.bypass_rank;
  if (!options.budgets.empty()) SetBudgets(options.budgets, &*config);
  if (!options.denoise_steps.empty()) SetDenoiseSteps(options.denoise_steps, &*config);
  if (options.cache_retention > 0) {
    config->retention.cache =
        UniformCacheRetention(options.cache_score, options.cache_retention, BudgetsOf(config->retention));
  }
  const absl::Time began = SteadyNow();
  const absl::Status written = links ? LinkShapeModel(*config, options.weights_from, options.output)
                                     : WriteShapeModel(*config, options.seed, options.tokenizer_folder, options.output);
  if (!written.ok()) return written;
  return absl::StrFormat("%s: %s, chunks of %d, window %d, sink %d latent frames, %d steps; %.1f s\n", options.output,
                         config->description, config->transformer.chunk_frames, config->transformer.window_frames,
                         config->transformer.sink_frames, config->sampling.denoise_steps.size(),
                         absl::ToDoubleSeconds(SteadyNow() - began));
}

}  // namespace videodiffcr
