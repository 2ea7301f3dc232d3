#include "model/drive/clip_run.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"

namespace videodiffcr {
namespace {

// One plan of these runs' next steps, and its outcomes. Its first error is the whole plan's.
absl::StatusOr<std::vector<StepOutcome>> RunPlan(VideoModel& model, const std::vector<ClipRun*>& runs,
                                                 const OnPlan& on_plan) {
  StepPlan plan;
  for (const ClipRun* run : runs) plan.steps.push_back(run->Next());
  const auto began = std::chrono::steady_clock::now();
  std::vector<StepOutcome> outcomes = model.Run(plan);
  if (on_plan) on_plan(plan.steps[0], outcomes, absl::FromChrono(std::chrono::steady_clock::now() - began));
  if (outcomes.size() != runs.size()) {
    return absl::InternalError(
        absl::StrCat("the model answered a plan of ", runs.size(), " steps with ", outcomes.size(), " outcomes"));
  }
  for (const StepOutcome& outcome : outcomes) {
    if (!outcome.status.ok()) return outcome.status;
  }
  for (ClipRun* run : runs) run->Advance();
  return outcomes;
}

// Those whose prompt is new: their text goes first, so that all take the same pass together afterwards.
std::vector<ClipRun*> WithText(const std::vector<ClipRun*>& runs) {
  std::vector<ClipRun*> with_text;
  std::copy_if(runs.begin(), runs.end(), std::back_inserter(with_text),
               [](const ClipRun* run) { return run->Next().kind == StepKind::kText; });
  return with_text;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ClipRun>> ClipRun::Begin(VideoModel& model, SessionId session, uint64_t seed) {
  if (absl::Status status = model.BeginSession(session, seed); !status.ok()) return status;
  return absl::WrapUnique(new ClipRun(model, session));
}

ClipRun::~ClipRun() { model_.EndSession(session_); }

void ClipRun::StartChunk(ChunkWish wish) {
  wish_ = std::move(wish);
  stage_ = wish_.prompt != nullptr ? Stage::kText : Stage::kDenoise;
  step_ = 0;
}

PlannedStep ClipRun::Next() const {
  PlannedStep planned;
  planned.session = session_;
  planned.chunk = wish_.chunk;
  planned.budget = wish_.budget;
  switch (stage_) {
    case Stage::kText:
      planned.kind = StepKind::kText;
      planned.prompt = wish_.prompt;
      break;
    case Stage::kDenoise:
      planned.kind = StepKind::kDenoise;
      planned.step = step_;
      planned.scene_start = wish_.scene_start && step_ == 0;
      break;
    case Stage::kContext:
    case Stage::kDone:
      planned.kind = StepKind::kContext;
      break;
  }
  return planned;
}

void ClipRun::Advance() {
  if (stage_ == Stage::kText) {
    stage_ = Stage::kDenoise;
  } else if (stage_ == Stage::kDenoise) {
    if (++step_ == model_.info().denoise_steps) stage_ = Stage::kContext;
  } else {
    stage_ = Stage::kDone;
  }
}

absl::Status RunChunks(VideoModel& model, const std::vector<ClipRun*>& runs, const TakeLatents& take,
                       const OnPlan& on_plan) {
  if (runs.empty()) return absl::OkStatus();
  if (const std::vector<ClipRun*> with_text = WithText(runs); !with_text.empty()) {
    if (absl::Status status = RunPlan(model, with_text, on_plan).status(); !status.ok()) return status;
  }
  absl::StatusOr<std::vector<StepOutcome>> outcomes;
  for (int step = 0; step < model.info().denoise_steps; ++step) {
    outcomes = RunPlan(model, runs, on_plan);
    if (!outcomes.ok()) return outcomes.status();
  }
  std::vector<std::unique_ptr<LatentChunk>> latents;
  for (StepOutcome& outcome : *outcomes) {
    if (outcome.latents == nullptr) {
      return absl::InternalError("the model gave no latents after the last denoising pass");
    }
    latents.push_back(std::move(outcome.latents));
  }
  if (absl::Status status = take(std::move(latents)); !status.ok()) return status;
  return RunPlan(model, runs, on_plan).status();
}

}  // namespace videodiffcr
