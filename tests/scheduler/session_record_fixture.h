// One session without threads: the test is its engine, its delivery thread and its clock.
#ifndef VIDEODIFFCR_TESTS_SCHEDULER_SESSION_RECORD_FIXTURE_H_
#define VIDEODIFFCR_TESTS_SCHEDULER_SESSION_RECORD_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "scheduler/session_record.h"
#include "tests/fakes/fake_video_model.h"

namespace videodiffcr {

// Nobody decodes them here.
struct NoLatents final : LatentChunk {
  absl::StatusOr<HalfLatents> CopyToHost() override { return HalfLatents(); }
};

inline const absl::Time kStart = absl::UnixEpoch() + absl::Hours(1);

inline SessionRequest Request(int64_t length_chunks) {
  SessionRequest request;
  request.prompt = "a red circle";
  request.length_chunks = length_chunks;
  return request;
}

inline SessionChange PromptChange(const std::string& prompt) {
  SessionChange change;
  change.prompt = prompt;
  return change;
}

inline SessionChange SceneCut() {
  SessionChange change;
  change.scene_cut = true;
  return change;
}

inline SessionChange TargetChange(RetentionTenths target) {
  SessionChange change;
  change.target = target;
  return change;
}

// Fake info: chunks of 9 and 12 frames at 16 per second, 4 passes.
class SessionRecordTest : public ::testing::Test {
 protected:
  void Submit(SessionRequest request) {
    record_ = std::make_unique<SessionRecord>(7, std::move(request), nullptr, info_, &metrics_, now_);
    record_->Wait(now_);
  }
  void Begin(SessionRequest request) {
    Submit(std::move(request));
    record_->Admit(now_);
    record_->Begun();
    while (record_->HasEvents()) record_->TakeEvent();
  }

  SessionView View() { return record_->View(now_); }
  PlannedStep NextStep() { return View().next_step.value_or(PlannedStep{.session = -1}); }

  // One step of ten milliseconds. The last pass brings latents unless the test says otherwise.
  void RunStep(StepOutcome outcome = {}) {
    ASSERT_TRUE(View().next_step.has_value());
    const PlannedStep step = *View().next_step;
    record_->StepBegan(step, ++plan_, now_);
    Advance(absl::Milliseconds(10));
    outcome.elapsed = absl::Milliseconds(10);
    if (step.kind == StepKind::kDenoise && step.step + 1 == info_.denoise_steps && with_latents_) {
      outcome.latents = std::make_unique<NoLatents>();
    }
    record_->StepEnded(step, std::move(outcome), 1, now_);
  }
  // Text, passes and context passes until one more chunk is made.
  void MakeChunk() {
    const int64_t made = View().chunks_made;
    while (View().chunks_made == made) ASSERT_NO_FATAL_FAILURE(RunStep());
  }
  // The oldest chunk in the outbox; what comes before it is lost.
  FinishedChunk TakeChunk() {
    while (record_->HasEvents()) {
      SinkEvent event = record_->TakeEvent();
      if (auto* chunk = std::get_if<FinishedChunk>(&event)) return std::move(*chunk);
    }
    ADD_FAILURE() << "no chunk";
    return {};
  }
  FinishedChunk Deliver(int64_t bytes = 1000) {
    FinishedChunk chunk = TakeChunk();
    EXPECT_TRUE(record_->Decoded(&chunk, now_, absl::ZeroDuration(), now_));
    record_->Delivered(chunk, bytes, std::nullopt, now_);
    return chunk;
  }
  void Advance(absl::Duration duration) { now_ += duration; }

  // Three chunks, one that plays and two ahead of it, the most that the request, which it returns, allows.
  SessionRequest BeginAndStopAtARunAheadLimitOfTwo() {
    SessionRequest request = Request(0);
    request.run_ahead_limit_chunks = 2;
    Begin(request);
    for (int chunk = 0; chunk < 3; ++chunk) {
      MakeChunk();
      Deliver();
    }
    return request;
  }

  // The states that wait to be told, other events left out.
  std::vector<SessionState> TakeStates() {
    std::vector<SessionState> states;
    while (record_->HasEvents()) {
      SinkEvent event = record_->TakeEvent();
      if (const auto* state = std::get_if<StateChanged>(&event)) states.push_back(state->state);
    }
    return states;
  }

  ModelInfo info_ = FakeVideoModel::SmallInfo();
  prometheus::Registry registry_;
  SchedulerMetrics metrics_{&registry_, "fake"};
  SchedulerMetrics::ForPriority& standard_ = metrics_.of(PriorityClass::kStandard);
  absl::Time now_ = kStart;
  int64_t plan_ = 0;
  bool with_latents_ = true;
  std::unique_ptr<SessionRecord> record_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_TESTS_SCHEDULER_SESSION_RECORD_FIXTURE_H_
