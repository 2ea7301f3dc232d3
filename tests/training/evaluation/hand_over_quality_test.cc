// Does a session that goes on at another server from its snapshot still show what its prompt says? The same clips, once
// uninterrupted and once rebuilt from latents in half precision before the chunks that are judged.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "model/config/model_config.h"
#include "model/drive/clip_run.h"
#include "model/load/create_video_model.h"
#include "training/evaluation/evaluation.h"

namespace videodiffcr::training {
namespace {

constexpr char kModel[] = "models/tiny";

// One clip at a time; what comes before first_kept_chunk is made by one session, the rest by another.
class HandedOver {
 public:
  explicit HandedOver(VideoModel& model) : model_(model) {}

  absl::Status Make(const ClipRequest& request, const ChunkVisitor& visit) {
    past_.clear();
    absl::Status made = MakeChunks(request, 0, request.first_kept_chunk, [](int64_t, const at::Tensor&) {});
    return made.ok() ? MakeChunks(request, request.first_kept_chunk, request.chunks, visit) : made;
  }

 private:
  // By a session of its own, which looks back at `past_`.
  absl::Status MakeChunks(const ClipRequest& request, int64_t first, int64_t end, const ChunkVisitor& visit) {
    absl::StatusOr<std::unique_ptr<ClipRun>> run = ClipRun::Begin(model_, ++session_, request.seed);
    if (!run.ok()) return run.status();
    if (first > 0) {
      if (absl::Status rebuilt = Rebuild(request, first); !rebuilt.ok()) return rebuilt;
    }
    for (int64_t chunk = first; chunk < end; ++chunk) {
      ChunkWish wish = {chunk, request.budget, nullptr, /*scene_start=*/chunk == 0};
      if (chunk == 0) wish.prompt = std::make_shared<const std::string>(request.prompts.at(0));
      (*run)->StartChunk(std::move(wish));
      const auto take = [&](std::vector<std::unique_ptr<LatentChunk>> latents) -> absl::Status {
        past_.push_back(std::make_shared<const HalfLatents>(latents[0]->CopyToHost().value()));
        absl::StatusOr<FrameChunk> frames = model_.Decode(*latents[0]);
        if (!frames.ok()) return frames.status();
        visit(chunk, FramesToTensor({*std::move(frames)}));
        return absl::OkStatus();
      };
      if (absl::Status status = RunChunks(model_, {run->get()}, take); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  // As a server does that is given a snapshot: the prompt, then a context pass and a decode of each chunk that is seen.
  absl::Status Rebuild(const ClipRequest& request, int64_t next) {
    PlannedStep text{.session = session_, .kind = StepKind::kText};
    text.prompt = std::make_shared<const std::string>(request.prompts.at(0));
    if (absl::Status status = model_.Run({{std::move(text)}})[0].status; !status.ok()) return status;
    const ModelInfo& info = model_.info();
    bool is_first = true;
    for (int64_t chunk = 0; chunk < next; ++chunk) {
      if (chunk >= info.sink_chunks && chunk < next - (info.window_chunks - info.sink_chunks)) continue;
      PlannedStep step{.session = session_, .kind = StepKind::kRebuild, .chunk = chunk, .budget = request.budget};
      step.scene_start = std::exchange(is_first, false);
      step.latents = past_[static_cast<size_t>(chunk)];
      StepOutcome outcome = std::move(model_.Run({{std::move(step)}})[0]);
      if (!outcome.status.ok()) return outcome.status;
      if (absl::Status status = model_.Decode(*outcome.latents).status(); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  VideoModel& model_;
  SessionId session_ = 0;
  std::vector<std::shared_ptr<const HalfLatents>> past_;
};

// VIDEODIFFCR_HAND_OVER_CLIPS: more of them (docs/protocol.md says what came of it).
TEST(HandOverQualityTest, ASessionThatGoesOnElsewhereShowsWhatItWouldHaveShown) {
  const char* const asked = std::getenv("VIDEODIFFCR_HAND_OVER_CLIPS");
  EvaluationSettings settings;
  settings.clips = asked == nullptr ? 3 : std::atoi(asked);
  const ModelConfig config = LoadModelConfig(kModel).value();
  const std::unique_ptr<VideoModel> model = CreateVideoModel({kModel, "cpu", /*threads=*/2}).value();
  const SafetensorsReader file = SafetensorsReader::Open(std::string(kModel) + "/classifier.safetensors").value();
  const ClassifierWeights classifier = LoadClassifier(file).value();
  const ClipSource served = ServedClips(*model, config);
  HandedOver handed_over(*model);
  ClipSource rebuilt = served;
  rebuilt.side_by_side = 1;
  rebuilt.make = [&](const EvaluationCondition&, const std::vector<ClipRequest>& requests, const ChunkVisitor& visit) {
    return handed_over.Make(requests[0], visit);
  };
  // The window has moved by then.
  ConditionChoice choice = {{ConditionKind::kLong}, {kDenseTenths, 7}};
  choice.long_chunks = 12;
  for (const EvaluationCondition& condition : MakeConditions(choice)) {
    const auto before = EvaluateCondition(served, classifier, condition, settings, [](const QualityRow&) {});
    const auto after = EvaluateCondition(rebuilt, classifier, condition, settings, [](const QualityRow&) {});
    ASSERT_TRUE(before.ok() && after.ok()) << before.status() << after.status();
    int64_t right_before = 0, kept = 0;
    for (size_t clip = 0; clip < before->judged.clips.size(); ++clip) {
      for (int attribute = 0; attribute < kAttributeCount; ++attribute) {
        if (before->judged.clips[clip].values[attribute] != 1) continue;  // wrong, or not asked
        ++right_before;
        kept += after->judged.clips[clip].values[attribute] == 1 ? 1 : 0;
      }
    }
    std::cout << condition.name << ", " << settings.clips << " clips: all attributes right in " << before->row.all.right
              << ", handed over in " << after->row.all.right << "; " << kept << " of " << right_before
              << " attributes kept\n";
    EXPECT_GT(right_before, 0);
    EXPECT_GE(static_cast<double>(kept), 0.95 * static_cast<double>(right_before)) << condition.name;
  }
}

}  // namespace
}  // namespace videodiffcr::training
