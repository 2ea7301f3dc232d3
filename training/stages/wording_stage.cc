#include "training/stages/wording_stage.h"

#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "training/model/training_model.h"
#include "training/run/batch_piece.h"
#include "training/run/stage_result.h"
#include "training/scenes/caption.h"
#include "training/scenes/scene.h"
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

// The word that an unknown one at the place of `word` means: "" where it would leave nothing to go by.
std::string MeantAt(const std::string& word, bool of_background) {
  const auto is_value_of = [&word](Attribute attribute) {
    for (int value = 0; value < ValueCount(attribute); ++value) {
      if (ValueName(attribute, value) == word) return true;
    }
    return false;
  };
  if (of_background) {
    if (is_value_of(kBackgroundColor) || word == "grey") return "gray";
    return is_value_of(kTexture) || word == "checkerboard" ? "plain" : "";
  }
  if (is_value_of(kShape)) return "circle";
  if (is_value_of(kColor) || word == "violet") return "red";
  if (word == "bounces" || word == "orbits") return "bounces";
  return word == "moves" || word == "flies" ? "moves" : "";
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
    settings["unknown share"] = absl::StrCat(options_.unknown_share);
    return settings;
  }
  std::vector<StateRow> State() override { return weights_.State(); }

  absl::StatusOr<StepResult> Step(int64_t step) override {
    RandomStream random(options_.stage.seed, DrawPurpose::kStage, static_cast<uint64_t>(step));
    const std::vector<std::string> known = CaptionsOfStep(options_.stage, step, random);
    std::vector<std::string> heard, meant;
    for (const std::string& caption : known) {
      Rewording wording = Reword(caption, random);
      heard.push_back(std::move(wording.heard));
      meant.push_back(std::move(wording.meant));
    }
    double loss = 0;
    const std::vector<BatchPiece> pieces = options_.stage.Pieces();
    for (const BatchPiece& piece : pieces) {
      const absl::StatusOr<at::Tensor> target = Target(piece.Of(meant));
      if (!target.ok()) return target.status();
      const absl::StatusOr<at::Tensor> rows = EncodeCaptions(taught_, piece.Of(heard));  // [piece, text_len, text_dim]
      if (!rows.ok()) return rows.status();
      if (&piece == &pieces.back()) weights_.LastBackwardFollows();
      loss += AddGradient((*rows - *target).square().mean(), options_.stage.accumulate);
    }
    return weights_.Update(loss, step);
  }

  absl::Status Finish() override {
    return WriteStageResult(*this, options_.stage, {{taught_.config.text_encoder_file, weights_.rows()}},
                            "other words for background colours, and unknown ones");
  }

 private:
  Rewording Reword(const std::string& caption, RandomStream& random) const {
    if (random.Chance(options_.known_share)) return {caption, caption};
    if (random.Chance(options_.unknown_share)) return SayUnknown(caption, random);
    return {RewordBackground(caption, random), caption};
  }

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

Rewording SayUnknown(const std::string& caption, RandomStream& random) {
  const std::vector<std::string> words = absl::StrSplit(caption, ' ');
  // The background's phrase: from the last "a" before "background" on.
  const auto background = std::find(words.begin(), words.end(), "background");
  auto phrase = background;
  while (background != words.end() && phrase != words.begin() && *phrase != "a") --phrase;
  std::vector<size_t> places;
  std::vector<std::string> means(words.size());
  for (size_t place = 0; place < words.size(); ++place) {
    const auto word = words.begin() + static_cast<std::ptrdiff_t>(place);
    means[place] = MeantAt(*word, phrase <= word && word < background);
    if (!means[place].empty()) places.push_back(place);
  }
  if (places.empty()) return {caption, caption};
  std::vector<std::string> heard = words, meant = words;
  const size_t certain = places[static_cast<size_t>(random.Below(static_cast<int>(places.size())))];
  for (const size_t place : places) {
    if (!random.Chance(0.4) && place != certain) continue;
    heard[place] = kUnknownWord;
    meant[place] = means[place];
  }
  return {absl::StrJoin(heard, " "), absl::StrJoin(meant, " ")};
}

absl::StatusOr<std::unique_ptr<TrainingStage>> MakeWordingStage(const WordingStageOptions& options) {
  absl::StatusOr<TrainingModel> taught = LoadTrainingModel(options.stage);
  if (!taught.ok()) return taught.status();
  absl::StatusOr<TrainingModel> teacher = LoadTrainingModel(options.stage);
  if (!teacher.ok()) return teacher.status();
  return std::make_unique<WordingStage>(options, *std::move(taught), *std::move(teacher));
}

}  // namespace videodiffcr::training
