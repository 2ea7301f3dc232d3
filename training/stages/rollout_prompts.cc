#include "training/stages/rollout_prompts.h"

#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/stack.h>
#include <c10/core/GradMode.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "system/wrong_usage.h"
#include "training/prompts/prompt_set.h"
#include "training/prompts/text_cache.h"
#include "training/stages/prompt_clips.h"
#include "training/stages/step_scenes.h"

namespace videodiffcr::training {
namespace {

constexpr double kPromptSwitch = 0.2;
constexpr char kNoWords[] = "";

class ScenePrompts final : public RolloutPrompts {
 public:
  ScenePrompts(const StageOptions& stage, const TrainingModel& model, const ScenePromptOptions& options)
      : stage_(stage), model_(model), options_(options), text_(TextEncoderOnCpu(model)) {}

  std::map<std::string, std::string> settings() const override {
    std::map<std::string, std::string> settings;
    if (options_.unknown_words > 0) settings["unknown words"] = absl::StrCat(options_.unknown_words);
    if (options_.most_chunks != kMostChunks) settings["most chunks"] = absl::StrCat(options_.most_chunks);
    return settings;
  }

  RolloutPlan Draw(size_t steps, RandomStream& random) const override {
    return DrawRolloutPlan(steps, options_.most_chunks, random);
  }

  absl::StatusOr<std::vector<at::Tensor>> Text(int64_t step, const RolloutPlan& plan,
                                               RandomStream& random) const override {
    std::vector<int64_t> all;
    for (int64_t chunk = 0; chunk < plan.chunks; ++chunk) all.push_back(chunk);
    SceneOptions scenes;
    scenes.prompt_switch = kPromptSwitch;
    std::vector<std::vector<std::string>> captions;
    for (const Scene& scene : ScenesOfStep(stage_, step, scenes)) {
      captions.push_back(CaptionsOfChunks(scene, all, {.replaced_caption = options_.unknown_words}, random));
    }
    const c10::NoGradGuard no_gradients;
    std::vector<at::Tensor> pieces;
    for (const BatchPiece& piece : stage_.Pieces()) {
      absl::StatusOr<at::Tensor> hidden = EncodeCaptions(model_, text_, ChunkByChunk(piece.Of(captions)));
      if (!hidden.ok()) return hidden.status();
      pieces.push_back(*std::move(hidden));
    }
    return pieces;
  }

  absl::StatusOr<at::Tensor> NegativeText() const override {
    const c10::NoGradGuard no_gradients;
    return EncodeCaptions(model_, {kNoWords});
  }

 private:
  const StageOptions stage_;
  const TrainingModel& model_;
  const ScenePromptOptions options_;
  const TextEncoderWeights text_;
};

class FilePrompts final : public RolloutPrompts {
 public:
  FilePrompts(const StageOptions& stage, const TransformerConfig& config, PromptSet prompts, PromptClips draws,
              const std::string& negative_prompt)
      : stage_(stage),
        config_(config),
        prompts_(std::move(prompts)),
        draws_(std::move(draws)),
        negative_prompt_(negative_prompt) {}

  std::map<std::string, std::string> settings() const override {
    std::map<std::string, std::string> settings = {
        {"prompts",
         absl::StrCat(prompts_.prompts().size(), " with hash ", HashName(absl::StrJoin(prompts_.prompts(), "\n")))}};
    if (!negative_prompt_.empty()) settings["negative prompt"] = negative_prompt_;
    return settings;
  }

  RolloutPlan Draw(size_t steps, RandomStream& random) const override {
    RolloutPlan plan;
    plan.chunks = plan.window_chunks = WindowChunks(config_);
    plan.exit_step = static_cast<size_t>(random.Below(static_cast<int>(steps)));
    return plan;
  }

  absl::StatusOr<std::vector<at::Tensor>> Text(int64_t step, const RolloutPlan&, RandomStream&) const override {
    const std::vector<PromptClip> clips = draws_.OfStep(step);
    std::vector<at::Tensor> pieces;
    for (const BatchPiece& piece : stage_.Pieces()) {
      std::vector<at::Tensor> rows;
      for (const PromptClip& clip : piece.Of(clips)) {
        absl::StatusOr<at::Tensor> text = TextOf(clip.prompt);
        if (!text.ok()) return text.status();
        rows.push_back(*std::move(text));
      }
      pieces.push_back(at::stack(rows));
    }
    return pieces;
  }

  absl::StatusOr<at::Tensor> NegativeText() const override {
    absl::StatusOr<at::Tensor> text = TextOf(negative_prompt_);
    if (!text.ok()) return text.status();
    return text->unsqueeze(0);
  }

 private:
  // The rows that the network's text embedding would add are zeros, too.
  absl::StatusOr<at::Tensor> TextOf(const std::string& prompt) const {
    const absl::StatusOr<at::Tensor> rows = prompts_.Text(prompt);
    if (!rows.ok()) return rows.status();
    return at::constant_pad_nd(rows->to(at::kFloat), {0, 0, 0, config_.text_len - rows->size(0)});
  }

  const StageOptions stage_;
  const TransformerConfig config_;
  const PromptSet prompts_;
  const PromptClips draws_;
  const std::string negative_prompt_;  // empty: no words
};

// An empty one is no words, and right.
absl::Status CheckNegative(const PromptSet& prompts, const std::string& negative_prompt) {
  if (negative_prompt.empty()) return absl::OkStatus();
  const absl::Status readable = prompts.Check(negative_prompt);
  if (readable.ok()) return readable;
  return WrongUsageError(absl::StrCat("--negative-prompt: ", readable.message()));
}

}  // namespace

std::unique_ptr<RolloutPrompts> MakeScenePrompts(const StageOptions& stage, const TrainingModel& model,
                                                 const ScenePromptOptions& options) {
  return std::make_unique<ScenePrompts>(stage, model, options);
}

absl::StatusOr<std::unique_ptr<RolloutPrompts>> MakeFilePrompts(const StageOptions& stage,
                                                                const FilePromptOptions& options,
                                                                const std::string& negative_prompt,
                                                                const std::string& cache_folder,
                                                                const ModelConfig& config, std::ostream& remarks) {
  PromptSetOptions set;
  set.model_folder = stage.model;
  set.device = stage.device;
  set.file = options.file;
  set.column = options.column;
  set.most = options.most;
  set.cache_folder = cache_folder;
  absl::StatusOr<PromptSet> prompts = PromptSet::Open(set, remarks);
  if (!prompts.ok()) return prompts.status();
  if (absl::Status readable = CheckNegative(*prompts, negative_prompt); !readable.ok()) return readable;
  PromptClips draws({stage.seed, stage.batch, /*held_out=*/0}, prompts->prompts());
  std::vector<std::string> wanted = draws.PromptsOf(stage.steps);
  wanted.push_back(negative_prompt);
  if (absl::Status encoded = prompts->Encode(wanted, *stage.exchange, remarks); !encoded.ok()) return encoded;
  return std::make_unique<FilePrompts>(stage, config.transformer, *std::move(prompts), std::move(draws),
                                       negative_prompt);
}

}  // namespace videodiffcr::training
