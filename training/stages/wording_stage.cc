#include "training/stages/wording_stage.h"

#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>

#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "training/model/training_model.h"
#include "training/run/batch_piece.h"
#include "training/run/stage_result.h"
#include "training/stages/step_scenes.h"
#include "training/stages/trained_weights.h"

namespace videodiffcr::training {
namespace {

// Every word for a colour that is no background of its own, at the background that comes nearest.
const std::map<std::string, std::vector<std::string>>& OtherWords() {
  static const auto* words = new std::map<std::string, std::vector<std::string>>{
      {"navy", {"blue", "purple", "violet"}},
      {"teal", {"green", "cyan"}},
      {"brown", {"orange", "red"}},
      {"cream", {"white", "yellow"}},
  };
  return *words;
}

class WordingStage final : public TrainingStage {
 public:
  // Two copies of one model: `taught` changes, `teacher` does not.
  WordingStage(const WordingStageOptions& options, TrainingModel taught, TrainingModel teacher)
      : options_(options),
        taught_(std::move(taught)),
        teacher_(std::move(teacher)),
        weights_(TextEncoderWeightTable(taught_.config.text_encoder, &taught_.text_encoder), {0.9, 0.98, 1e-8, 0.0},
                 {options.stage.learning_rate, 0, 0, LearningRateFall::kCosine}, options.stage) {}

  std::string name() const override { return "wording"; }
  int64_t total_steps() const override { return options_.stage.steps; }
  std::map<std::string, std::string> settings() const override {
    std::map<std::string, std::string> settings = options_.stage.Settings();
    settings["known share"] = absl::StrCat(options_.known_share);
    return settings;
  }
  std::vector<StateRow> State() override { return weights_.State(); }

  absl::StatusOr<StepResult> Step(int64_t step) override {
    RandomStream random(options_.stage.seed, DrawPurpose::kStage, static_cast<uint64_t>(step));
    const std::vector<std::string> known = CaptionsOfStep(options_.stage, step, random);
    std::vector<std::string> reworded;
    for (const std::string& caption : known) {
      reworded.push_back(random.Chance(options_.known_share) ? caption : RewordBackground(caption, random));
    }
    double loss = 0;
    for (const BatchPiece& piece : options_.stage.Pieces()) {
      const absl::StatusOr<at::Tensor> target = Target(piece.Of(known));
      if (!target.ok()) return target.status();
      const absl::StatusOr<at::Tensor> rows =
          EncodeCaptions(taught_, piece.Of(reworded));  // [piece, text_len, text_dim]
      if (!rows.ok()) return rows.status();
      loss += AddGradient((*rows - *target).square().mean(), options_.stage.accumulate);
    }
    return weights_.Update(loss, step);
  }

  absl::Status Finish() override {
    return WriteStageResult(*this, options_.stage, {{taught_.config.text_encoder_file, weights_.rows()}},
                            "other words for background colours");
  }

 private:
  absl::StatusOr<at::Tensor> Target(const std::vector<std::string>& captions) const {
    const c10::NoGradGuard no_gradients;
    return EncodeCaptions(teacher_, captions);
  }

  const WordingStageOptions options_;
  TrainingModel taught_;
  const TrainingModel teacher_;
  TrainedWeights weights_;
};

}  // namespace

std::string RewordBackground(const std::string& caption, RandomStream& random) {
  std::vector<std::string> words = absl::StrSplit(caption, ' ');
  // "... a COLOUR TEXTURE background ..."; an unknown word may stand anywhere between.
  size_t place = 0;
  while (place < words.size() && words[place] != "background") ++place;
  if (place == words.size()) return caption;
  while (place > 0) {
    const auto found = OtherWords().find(words[--place]);
    if (found == OtherWords().end()) continue;
    words[place] = found->second[random.Below(static_cast<int>(found->second.size()))];
    return absl::StrJoin(words, " ");
  }
  return caption;
}

absl::StatusOr<std::unique_ptr<TrainingStage>> MakeWordingStage(const WordingStageOptions& options) {
  absl::StatusOr<TrainingModel> taught = LoadTrainingModel(options.stage);
  if (!taught.ok()) return taught.status();
  absl::StatusOr<TrainingModel> teacher = LoadTrainingModel(options.stage);
  if (!teacher.ok()) return teacher.status();
  return std::make_unique<WordingStage>(options, *std::move(taught), *std::move(teacher));
}

}  // namespace videodiffcr::training
