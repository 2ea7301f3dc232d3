#include "training/stages/distillation_inputs.h"

#include <filesystem>
#include <iostream>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "system/guarded.h"
#include "system/wrong_usage.h"
#include "training/model/block_feed.h"
#include "training/model/network_copy.h"
#include "training/model/recomputed_block.h"
#include "training/model/weights_fingerprint.h"
#include "training/stages/new_retention.h"
#include "training/stages/self_rollout.h"

namespace videodiffcr::training {
namespace {

// Whether the transformer of the folder that a flag names can judge clips of the model.
absl::Status CheckScore(const std::string& flag, const std::string& folder, const TransformerConfig& ours,
                        const DistillationOptions& options) {
  if (folder.empty()) return absl::OkStatus();
  const absl::StatusOr<ModelConfig> config = LoadModelConfig(folder);
  if (!config.ok()) return absl::Status(config.status().code(), absl::StrCat(flag, ": ", config.status().message()));
  const TransformerConfig& theirs = config->transformer;
  const bool chunks_matter = !options.scores.whole_clip;
  const std::vector<std::tuple<const char*, int64_t, int64_t>> sizes = {
      {"in_dim", theirs.in_dim, ours.in_dim},
      {"height of the latents", theirs.latent_height, ours.latent_height},
      {"width of the latents", theirs.latent_width, ours.latent_width},
      {"text_dim", theirs.text_dim, ours.text_dim},
      {"text_len", theirs.text_len, ours.text_len},
      {"chunk_frames", chunks_matter ? theirs.chunk_frames : 0, chunks_matter ? ours.chunk_frames : 0}};
  for (const auto& [name, its, of_model] : sizes) {
    if (its == of_model) continue;
    return absl::FailedPreconditionError(
        absl::StrCat(flag, " ", folder, "/config.json: ", name, " is ", its, ", the model's ", of_model));
  }
  return options.prompts.file.empty() ? CheckWindowRelative(theirs, folder) : absl::OkStatus();
}

absl::Status CheckScores(const DistillationOptions& options, const TransformerConfig& ours) {
  const absl::Status teacher = CheckScore("--teacher", options.teacher, ours, options);
  return teacher.ok() ? CheckScore("--fake-score", options.fake_score, ours, options) : teacher;
}

// By default both are the model's own network, as it is now. A teacher that is to stay on the host may be there
// already.
absl::StatusOr<ScoreNetworks> ReadScores(const DistillationOptions& options, const TrainingModel& model) {
  if (options.teacher.empty() && options.fake_score.empty()) return ScoresLike(model, model.transformer);
  const auto load = [&](const char* flag, const std::string& folder, at::Device device,
                        at::ScalarType dtype) -> absl::StatusOr<DiffusionTransformer> {
    if (folder.empty()) return CastTransformer(CloneTransformer(model.transformer), dtype);
    absl::StatusOr<DiffusionTransformer> score = LoadTransformer(folder, device, dtype);
    if (score.ok()) return score;
    return absl::Status(score.status().code(), absl::StrCat(flag, ": ", score.status().message()));
  };
  absl::StatusOr<DiffusionTransformer> real =
      load("--teacher", options.teacher, options.teacher_on_host ? at::Device(at::kCPU) : model.device,
           model.compute_type());
  if (!real.ok()) return real.status();
  absl::StatusOr<DiffusionTransformer> fake = options.fake_score.empty()
                                                  ? load("--teacher", options.teacher, model.device, at::kFloat)
                                                  : load("--fake-score", options.fake_score, model.device, at::kFloat);
  if (!fake.ok()) return fake.status();
  return ScoreNetworks{*std::move(real), *std::move(fake)};
}

absl::StatusOr<ScoreNetworks> LoadScores(const DistillationOptions& options, const TrainingModel& model) {
  absl::StatusOr<ScoreNetworks> scores = ReadScores(options, model);
  if (!scores.ok() || !options.teacher_on_host) return scores;
  const absl::Status moved = Guarded("--teacher-blocks host", [&] {
    MoveBlocksToHost(model.device, &scores->real);
    return absl::OkStatus();
  });
  if (!moved.ok()) return moved;
  return scores;
}

// Not of the folder that gets the result: it has other weights once a run has ended, and may be asked to end again.
absl::StatusOr<std::map<std::string, std::string>> FingerprintsOf(const StageOptions& stage,
                                                                  const DistillationOptions& options) {
  std::map<std::string, std::string> weights;
  for (const auto& [setting, folder] :
       {std::pair("weights of the model", stage.model), std::pair("weights of the teacher", options.teacher),
        std::pair("weights of the fake score", options.fake_score)}) {
    std::error_code error;
    if (folder.empty() || std::filesystem::equivalent(folder, stage.output, error)) continue;
    const absl::StatusOr<std::string> fingerprint = TransformerFingerprint(folder);
    if (!fingerprint.ok()) return fingerprint.status();
    weights[setting] = *fingerprint;
  }
  return weights;
}

// A rollout is as long as the window: nothing goes out of it, so that all rotary positions will do.
absl::Status CheckWholeWindow(const TransformerConfig& config, const std::string& folder) {
  if (config.window_frames % config.chunk_frames == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(folder, "/config.json: window_frames ", config.window_frames,
                                                    ": training needs a multiple of chunk_frames, ",
                                                    config.chunk_frames));
}

// Model and captions of scenes.
absl::Status OpenScenes(const StageOptions& stage, const DistillationOptions& options, DistillationInputs* inputs) {
  if (options.scores.whole_clip) {
    return WrongUsageError("--score-attention bidirectional: needs --prompts; scenes are longer than what it sees");
  }
  if (!options.negative_prompt.empty()) {
    return WrongUsageError("--negative-prompt: needs --prompts; scenes are led away from no words");
  }
  absl::StatusOr<TrainingModel> model = LoadTrainingModel(stage);
  if (!model.ok()) return model.status();
  if (absl::Status relative = CheckWindowRelative(model->config.transformer, stage.model); !relative.ok()) {
    return relative;
  }
  inputs->model = std::make_unique<TrainingModel>(*std::move(model));
  if (absl::Status fit = CheckScores(options, inputs->model->config.transformer); !fit.ok()) return fit;
  inputs->prompts = MakeScenePrompts(stage, *inputs->model, options.scenes);
  return absl::OkStatus();
}

// Model and prompts of a file, these first: the text encoder may need the memory.
absl::Status OpenFile(const StageOptions& stage, const DistillationOptions& options, DistillationInputs* inputs) {
  if (options.scenes.unknown_words > 0) return WrongUsageError("--unknown-words: of scenes; goes without --prompts");
  if (options.scenes.most_chunks != kMostChunks) {
    return WrongUsageError("--most-chunks: of scenes; rollouts of --prompts are as long as the model's window");
  }
  std::ostream silent(nullptr);
  const absl::StatusOr<ModelConfig> config = LoadModelConfig(stage.model);
  if (!config.ok()) return config.status();
  if (absl::Status whole = CheckWholeWindow(config->transformer, stage.model); !whole.ok()) return whole;
  if (absl::Status fit = CheckScores(options, config->transformer); !fit.ok()) return fit;
  absl::StatusOr<std::unique_ptr<RolloutPrompts>> prompts =
      MakeFilePrompts(stage, options.prompts, options.negative_prompt, options.run_folder + "/text", *config,
                      stage.exchange->rank() == 0 ? std::cerr : silent);
  if (!prompts.ok()) return prompts.status();
  inputs->prompts = *std::move(prompts);
  absl::StatusOr<TrainingModel> model = LoadRolloutModel(stage);
  if (!model.ok()) return model.status();
  inputs->model = std::make_unique<TrainingModel>(*std::move(model));
  RetentionConfig& retention = inputs->model->config.retention;
  if (retention.file.empty()) retention = NewRetention(inputs->model->config);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<DistillationInputs> OpenDistillation(const StageOptions& stage, const DistillationOptions& options) {
  const bool scenes = options.prompts.file.empty();
  DistillationInputs inputs;
  const absl::Status opened = scenes ? OpenScenes(stage, options, &inputs) : OpenFile(stage, options, &inputs);
  if (!opened.ok()) return opened;
  TrainingModel& model = *inputs.model;
  const absl::StatusOr<at::Tensor> negative_text = inputs.prompts->NegativeText();
  if (!negative_text.ok()) return negative_text.status();
  inputs.negative_text = negative_text->to(model.device);
  ChooseRecompute(stage, scenes ? kWindowChunks : WindowChunks(model.config.transformer), &model);
  absl::StatusOr<ScoreNetworks> scores = LoadScores(options, model);
  if (!scores.ok()) return scores.status();
  inputs.scores = *std::move(scores);
  absl::StatusOr<std::map<std::string, std::string>> weights = FingerprintsOf(stage, options);
  if (!weights.ok()) return weights.status();
  inputs.weights = *std::move(weights);
  return inputs;
}

}  // namespace videodiffcr::training
