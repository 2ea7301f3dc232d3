// What a test tells the fake model to do, and what it asks of it.
#include <chrono>
#include <functional>
#include <utility>

#include "tests/fakes/fake_video_model.h"

namespace videodiffcr {
namespace {

constexpr std::chrono::seconds kPatience{30};

}  // namespace

void FakeVideoModel::HoldPlans() {
  MutexLock lock(&mutex_);
  hold_plans_ = true;
  plan_permits_ = 0;
}

void FakeVideoModel::ReleasePlans(int count) {
  MutexLock lock(&mutex_);
  plan_permits_ += count;
  // At once, not when the engine wakes: a test that then waits for a held plan must not be given the one it just
  // released.
  held_plan_.reset();
  changed_.NotifyAll();
}

void FakeVideoModel::FreePlans() {
  MutexLock lock(&mutex_);
  hold_plans_ = false;
  changed_.NotifyAll();
}

void FakeVideoModel::HoldDecodes() {
  MutexLock lock(&mutex_);
  hold_decodes_ = true;
}

void FakeVideoModel::FreeDecodes() {
  MutexLock lock(&mutex_);
  hold_decodes_ = false;
  changed_.NotifyAll();
}

void FakeVideoModel::SetPlanHook(std::function<void(const StepPlan&)> hook) {
  MutexLock lock(&mutex_);
  plan_hook_ = std::move(hook);
}

void FakeVideoModel::SetStepTime(absl::Duration elapsed) {
  MutexLock lock(&mutex_);
  step_time_ = elapsed;
}

void FakeVideoModel::SetLatentsWait(absl::Duration waited) {
  MutexLock lock(&mutex_);
  latents_wait_ = waited;
}

void FakeVideoModel::FailBegin(uint64_t seed, absl::Status status, int times) {
  MutexLock lock(&mutex_);
  begin_failures_[seed] = {std::move(status), times};
}

void FakeVideoModel::FailStep(uint64_t seed, StepKind kind, int64_t chunk, int step, absl::Status status, int times) {
  MutexLock lock(&mutex_);
  step_failures_[{seed, kind, chunk, step}] = {std::move(status), times};
}

void FakeVideoModel::FailDecode(uint64_t seed, int64_t chunk, absl::Status status) {
  MutexLock lock(&mutex_);
  decode_failures_[{seed, chunk}] = std::move(status);
}

void FakeVideoModel::Lose(absl::Status health) {
  MutexLock lock(&mutex_);
  health_ = std::move(health);
}

void FakeVideoModel::ShortenDecode(uint64_t seed, int64_t chunk) {
  MutexLock lock(&mutex_);
  short_decodes_.insert({seed, chunk});
}

void FakeVideoModel::ForgetOutcome(uint64_t seed) {
  MutexLock lock(&mutex_);
  forgotten_outcomes_.insert(seed);
}

void FakeVideoModel::SetEndHook(std::function<void(SessionId)> hook) {
  MutexLock lock(&mutex_);
  end_hook_ = std::move(hook);
}

bool FakeVideoModel::WaitFor(const std::function<bool()>& done) {
  const auto give_up = std::chrono::steady_clock::now() + kPatience;
  while (!done()) {
    if (std::chrono::steady_clock::now() >= give_up) return false;
    changed_.WaitFor(&mutex_, kPatience);
  }
  return true;
}

std::optional<StepPlan> FakeVideoModel::WaitForHeldPlan() {
  MutexLock lock(&mutex_);
  WaitFor([&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return held_plan_.has_value(); });
  return held_plan_;
}

bool FakeVideoModel::WaitForHeldDecode() {
  MutexLock lock(&mutex_);
  return WaitFor([&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return hold_decodes_ && held_decodes_ > 0; });
}

bool FakeVideoModel::WaitForLiveSessions(int count) {
  MutexLock lock(&mutex_);
  return WaitFor([&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return static_cast<int>(sessions_.size()) == count; });
}

bool FakeVideoModel::WaitForPlansRun(int64_t count) {
  MutexLock lock(&mutex_);
  return WaitFor([&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return static_cast<int64_t>(plans_.size()) >= count; });
}

int FakeVideoModel::live_sessions() const {
  MutexLock lock(&mutex_);
  return static_cast<int>(sessions_.size());
}

int64_t FakeVideoModel::live_bytes() const { return live_sessions() * info_.session_bytes; }

int64_t FakeVideoModel::plans_run() const {
  MutexLock lock(&mutex_);
  return static_cast<int64_t>(plans_.size());
}

int FakeVideoModel::decode_niceness() const {
  MutexLock lock(&mutex_);
  return decode_niceness_;
}

int64_t FakeVideoModel::decodes_begun() const {
  MutexLock lock(&mutex_);
  return decodes_begun_;
}

std::vector<std::vector<ObservedStep>> FakeVideoModel::plans() const {
  MutexLock lock(&mutex_);
  return plans_;
}

std::vector<std::string> FakeVideoModel::broken_rules() const {
  MutexLock lock(&mutex_);
  return broken_rules_;
}

}  // namespace videodiffcr
