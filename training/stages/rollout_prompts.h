// What the rollouts that a student is distilled on show: how long they are, and what each of their chunks is told.
#ifndef VIDEODIFFCR_TRAINING_STAGES_ROLLOUT_PROMPTS_H_
#define VIDEODIFFCR_TRAINING_STAGES_ROLLOUT_PROMPTS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/config/model_config.h"
#include "training/model/training_model.h"
#include "training/run/stage_options.h"
#include "training/scenes/random_stream.h"
#include "training/stages/self_rollout.h"

namespace videodiffcr::training {

// Is asked beside the step that runs (training/run/step_ahead.h).
class RolloutPrompts {
 public:
  virtual ~RolloutPrompts() = default;

  // What a run goes on with unchanged.
  virtual std::map<std::string, std::string> settings() const = 0;
  // Length and exit step of a rollout, of `steps` denoising steps.
  virtual RolloutPlan Draw(size_t steps, RandomStream& random) const = 0;
  // Text rows of each piece that this process takes of a step, [chunks B, text_len, text_dim]: those of the first chunk
  // of all its clips, then of the second, ..., or [B, ...]: the same for all chunks. Draws for the whole batch.
  virtual absl::StatusOr<std::vector<at::Tensor>> Text(int64_t step, const RolloutPlan& plan,
                                                       RandomStream& random) const = 0;
  // What guidance leads away from, [1, text_len, text_dim]: text rows of no words, or of a negative prompt.
  virtual absl::StatusOr<at::Tensor> NegativeText() const = 0;
};

struct ScenePromptOptions {
  double unknown_words = 0;           // captions in which unknown words stand for known ones (CaptionOptions)
  int64_t most_chunks = kMostChunks;  // of a rollout (DrawRolloutPlan)
};

// Captions of scenes, some of which switch. For models of tiny's kind; `model` outlives it.
std::unique_ptr<RolloutPrompts> MakeScenePrompts(const StageOptions& stage, const TrainingModel& model,
                                                 const ScenePromptOptions& options);

struct FilePromptOptions {
  std::string file;  // as training/prompts/prompt_file.h reads it; empty: none
  std::string column = "prompt";
  int64_t most = 2000;  // prompts of the file
};

// Prompts of a file, for models of any kind, one for the whole of a clip. Rollouts as long as the model's window. Reads
// the file, draws the prompts of all steps and has those encoded that `cache_folder` lacks, and `negative_prompt`, by
// the encoder of the stage's model: to be made before networks take the memory. Errors of PromptSet; WrongUsage when
// the negative prompt is not empty and cannot be read, or says nothing.
absl::StatusOr<std::unique_ptr<RolloutPrompts>> MakeFilePrompts(const StageOptions& stage,
                                                                const FilePromptOptions& options,
                                                                const std::string& negative_prompt,
                                                                const std::string& cache_folder,
                                                                const ModelConfig& config, std::ostream& remarks);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STAGES_ROLLOUT_PROMPTS_H_
