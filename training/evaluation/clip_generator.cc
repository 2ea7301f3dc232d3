#include "training/evaluation/clip_generator.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"

namespace videodiffcr::training {
namespace {

// Requests of one group, each a session whose id is its place among all requests.
class Group {
 public:
  Group(VideoModel& model, const std::vector<ClipRequest>& requests, size_t begin, size_t end)
      : model_(model), requests_(requests), begin_(begin), end_(end) {}
  ~Group() {
    for (size_t i = begin_; i < end_; ++i) model_.EndSession(Id(i));
  }

  absl::Status Run(std::vector<std::vector<FrameChunk>>& clips) {
    int64_t chunks = 0;
    for (size_t i = begin_; i < end_; ++i) {
      if (absl::Status begun = model_.BeginSession(Id(i), requests_[i].seed); !begun.ok()) return begun;
      chunks = std::max(chunks, requests_[i].chunks);
    }
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
      if (absl::Status status = RunChunk(chunk, clips); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

 private:
  static SessionId Id(size_t request) { return static_cast<SessionId>(request) + 1; }

  absl::Status RunChunk(int64_t chunk, std::vector<std::vector<FrameChunk>>& clips) {
    if (absl::Status text = RunSteps(StepKind::kText, chunk, 0, clips); !text.ok()) return text;
    for (int step = 0; step < model_.info().denoise_steps; ++step) {
      if (absl::Status status = RunSteps(StepKind::kDenoise, chunk, step, clips); !status.ok()) return status;
    }
    return RunSteps(StepKind::kContext, chunk, 0, clips);
  }

  // One plan with this step of every session that takes it.
  absl::Status RunSteps(StepKind kind, int64_t chunk, int step, std::vector<std::vector<FrameChunk>>& clips) {
    StepPlan plan;
    for (size_t i = begin_; i < end_; ++i) {
      const ClipRequest& request = requests_[i];
      if (chunk >= request.chunks) continue;
      PlannedStep planned{Id(i), kind, chunk, step, request.budget};
      if (kind == StepKind::kText) {
        const auto prompt = request.prompts.find(chunk);
        if (prompt == request.prompts.end()) continue;
        planned.prompt = std::make_shared<const std::string>(prompt->second);
      }
      planned.scene_start = kind == StepKind::kDenoise && chunk == 0 && step == 0;
      plan.steps.push_back(std::move(planned));
    }
    if (plan.steps.empty()) return absl::OkStatus();
    std::vector<StepOutcome> outcomes = model_.Run(plan);
    for (size_t i = 0; i < outcomes.size(); ++i) {
      if (!outcomes[i].status.ok()) return outcomes[i].status;
      if (outcomes[i].latents == nullptr) continue;
      absl::StatusOr<FrameChunk> frames = model_.Decode(std::move(outcomes[i].latents));
      if (!frames.ok()) return frames.status();
      const size_t request = static_cast<size_t>(plan.steps[i].session) - 1;
      if (chunk >= requests_[request].first_kept_chunk) clips[request].push_back(*std::move(frames));
    }
    return absl::OkStatus();
  }

  VideoModel& model_;
  const std::vector<ClipRequest>& requests_;
  const size_t begin_, end_;
};

}  // namespace

absl::StatusOr<std::vector<std::vector<FrameChunk>>> GenerateClips(VideoModel& model,
                                                                   const std::vector<ClipRequest>& requests) {
  for (size_t i = 0; i < requests.size(); ++i) {
    if (requests[i].prompts.count(0) == 0) {
      return absl::InvalidArgumentError(absl::StrCat("clip ", i, " has no prompt for chunk 0"));
    }
  }
  const size_t side_by_side = static_cast<size_t>(std::max(1, model.info().max_sessions_per_plan));
  std::vector<std::vector<FrameChunk>> clips(requests.size());
  for (size_t begin = 0; begin < requests.size(); begin += side_by_side) {
    Group group(model, requests, begin, std::min(requests.size(), begin + side_by_side));
    if (absl::Status status = group.Run(clips); !status.ok()) return status;
  }
  return clips;
}

}  // namespace videodiffcr::training
