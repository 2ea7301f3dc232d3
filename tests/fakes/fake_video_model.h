// A video model without a network: it does what it is told, when it is told, and watches whether its caller keeps the
// rules of model/api/video_model.h. Frames say who they are (FrameIdentity), so a test sees order, mix-ups and changes
// in the pixels.
//
// A test can hold plans and decodes at a gate, let single ones through, run a hook inside Run(), and make any step,
// start or decode fail. Nothing here sleeps. Free everything that is held before the scheduler is destroyed.
#ifndef VIDEODIFFCR_TESTS_FAKES_FAKE_VIDEO_MODEL_H_
#define VIDEODIFFCR_TESTS_FAKES_FAKE_VIDEO_MODEL_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "model/api/video_model.h"
#include "tests/fakes/frame_identity.h"
#include "threading/mutex.h"

namespace videodiffcr {

// One step as the model saw it.
struct ObservedStep {
  PlannedStep step;
  uint64_t seed = 0;
  std::string prompt;      // in force
  int64_t key_tokens = 0;  // keys the step could attend to: those in the KV cache and its own
};

class FakeVideoModel final : public VideoModel {
 public:
  // 64x48 at 16 fps, chunks of 9 and 12 frames, 4 steps, budgets 1.0 to 0.7, 1000 bytes per session, 8 sessions per
  // plan.
  static ModelInfo SmallInfo();
  explicit FakeVideoModel(ModelInfo info = SmallInfo()) : info_(std::move(info)) {}

  // --- VideoModel ---
  const ModelInfo& info() const override { return info_; }
  absl::Status health() const override;
  // From now on prompts of too many tokens are cut instead of refused.
  void CutLongPrompts() { cuts_long_prompts_ = true; }

  absl::StatusOr<PromptCheck> CheckPrompt(std::string_view prompt) const override;
  absl::Status BeginSession(SessionId session, uint64_t seed) override;
  void EndSession(SessionId session) override;
  std::vector<StepOutcome> Run(const StepPlan& plan) override;
  absl::StatusOr<FrameChunk> Decode(LatentChunk& latents) override;

  // --- script; sessions are named by their seed, since a test knows it before the session starts ---
  void HoldPlans();              // from now on Run() waits at a gate
  void ReleasePlans(int count);  // lets that many plans through, those that wait first
  void FreePlans();              // opens the gate
  void HoldDecodes();
  void FreeDecodes();
  void SetPlanHook(std::function<void(const StepPlan&)> hook);  // runs inside Run(), past the gate, no lock held
  void SetStepTime(absl::Duration elapsed);                     // what outcomes report; 1 ms at first
  void SetLatentsWait(absl::Duration waited);                   // what decodes report; none at first
  void FailBegin(uint64_t seed, absl::Status status, int times = 1 << 30);
  // Each time, or the first `times`.
  void FailStep(uint64_t seed, StepKind kind, int64_t chunk, int step, absl::Status status, int times = 1 << 30);
  void FailDecode(uint64_t seed, int64_t chunk, absl::Status status);
  void Lose(absl::Status health);  // from now on health() says so, and every start, step and decode fails
  void ShortenDecode(uint64_t seed, int64_t chunk);      // by one frame
  void ForgetOutcome(uint64_t seed);                     // of its steps that are the last of a plan
  void SetEndHook(std::function<void(SessionId)> hook);  // runs inside EndSession(), no lock held

  // --- waiting: nullopt or false when it did not happen within half a minute of real time ---
  std::optional<StepPlan> WaitForHeldPlan();  // a plan stands at the gate
  bool WaitForHeldDecode();
  bool WaitForLiveSessions(int count);
  bool WaitForPlansRun(int64_t count);

  // --- what happened ---
  int live_sessions() const;
  int64_t live_bytes() const;
  int64_t plans_run() const;
  int64_t decodes_begun() const;
  int decode_niceness() const;                           // nice level of the thread that decoded last
  std::vector<std::vector<ObservedStep>> plans() const;  // every plan that passed the gate
  std::vector<std::string> broken_rules() const;         // of model/api/video_model.h, by the caller; should be empty

 private:
  struct DecoderState {
    int64_t next_chunk = 0;
    bool decoding = false;
  };
  struct Session {
    uint64_t seed = 0;
    std::string prompt;
    bool has_text = false;
    int64_t chunk = 0;             // being denoised, or next
    int step = 0;                  // next pass of it
    bool may_start_again = false;  // a pass of the chunk has failed
    bool context_owed = false;
    int64_t cached_tokens = 0;
    // Shared with the latents on their way to Decode(), which may outlive the session.
    std::shared_ptr<DecoderState> decoder;
  };
  class Latents;

  StepOutcome RunStep(const PlannedStep& step, ObservedStep* observed) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  StepOutcome Denoise(Session& session, const PlannedStep& step) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  StepOutcome Rebuild(Session& session, const PlannedStep& step) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CheckStepRules(const Session& session, const PlannedStep& step) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WaitAtGate(const StepPlan& plan) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Broken(std::string rule) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool WaitFor(const std::function<bool()>& done) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const ModelInfo info_;
  bool cuts_long_prompts_ = false;

  mutable Mutex mutex_;
  CondVar changed_;
  std::map<SessionId, Session> sessions_ ABSL_GUARDED_BY(mutex_);
  int engine_calls_ ABSL_GUARDED_BY(mutex_) = 0;  // of Run(), BeginSession(), EndSession(), in progress
  bool hold_plans_ ABSL_GUARDED_BY(mutex_) = false;
  int plan_permits_ ABSL_GUARDED_BY(mutex_) = 0;
  std::optional<StepPlan> held_plan_ ABSL_GUARDED_BY(mutex_);
  bool hold_decodes_ ABSL_GUARDED_BY(mutex_) = false;
  int held_decodes_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t decodes_begun_ ABSL_GUARDED_BY(mutex_) = 0;
  int decode_niceness_ ABSL_GUARDED_BY(mutex_) = 0;
  std::function<void(const StepPlan&)> plan_hook_ ABSL_GUARDED_BY(mutex_);
  std::function<void(SessionId)> end_hook_ ABSL_GUARDED_BY(mutex_);
  absl::Duration step_time_ ABSL_GUARDED_BY(mutex_) = absl::Milliseconds(1);
  absl::Duration latents_wait_ ABSL_GUARDED_BY(mutex_);
  struct Failure {
    absl::Status status;
    int times = 0;  // left
  };
  std::map<uint64_t, Failure> begin_failures_ ABSL_GUARDED_BY(mutex_);
  std::map<std::tuple<uint64_t, StepKind, int64_t, int>, Failure> step_failures_ ABSL_GUARDED_BY(mutex_);
  std::map<std::tuple<uint64_t, int64_t>, absl::Status> decode_failures_ ABSL_GUARDED_BY(mutex_);
  absl::Status health_ ABSL_GUARDED_BY(mutex_);
  std::set<std::tuple<uint64_t, int64_t>> short_decodes_ ABSL_GUARDED_BY(mutex_);
  std::set<uint64_t> forgotten_outcomes_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::vector<ObservedStep>> plans_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> broken_rules_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_TESTS_FAKES_FAKE_VIDEO_MODEL_H_
