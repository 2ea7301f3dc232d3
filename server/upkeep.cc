#include "server/upkeep.h"

#include <malloc.h>

#include <chrono>
#include <utility>

#include "system/guarded.h"

namespace videodiffcr {
namespace {

constexpr int kTurnsPerProbe = 5;
constexpr absl::Duration kProbePatience = absl::Seconds(2);
constexpr int64_t kManyCalls = 1000;
constexpr int kQuietTrims = 2;  // a call's session may free its memory a moment after the call has ended

}  // namespace

bool TrimPolicy::Decide(const CallCensus& census) {
  const bool news = census.begun != std::exchange(begun_at_last_turn_, census.begun);
  if (news) quiet_trims_left_ = kQuietTrims;
  if (news || census.open > 0) {
    if (census.begun - begun_at_last_trim_ < kManyCalls) return false;
  } else if (--quiet_trims_left_ < 0) {
    quiet_trims_left_ = 0;
    return false;
  }
  begun_at_last_trim_ = census.begun;
  return true;
}

Upkeep::Upkeep(absl::Duration turn, const OwnPort& port, std::function<CallCensus()> census,
               std::function<void(const absl::Status&)> tell, std::function<void()> look_at_files)
    : turn_(turn),
      port_(port),
      census_(std::move(census)),
      tell_(std::move(tell)),
      look_at_files_(std::move(look_at_files)),
      thread_([this] { Run(); }) {}

Upkeep::~Upkeep() {
  {
    MutexLock lock(&mutex_);
    stopped_ = true;
    stopping_.NotifyAll();
  }
  thread_.join();
}

void Upkeep::Run() {
  TrimPolicy trim;
  for (int turn = 1; SleepATurn(); ++turn) {
    if (trim.Decide(census_())) malloc_trim(0);
    if (look_at_files_ != nullptr) look_at_files_();
    if (turn % kTurnsPerProbe != 0) continue;
    tell_(Guarded("looking at the own port", [this] { return ProbeOwnPort(port_, kProbePatience); }));
  }
}

bool Upkeep::SleepATurn() {
  const auto end = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(turn_);
  MutexLock lock(&mutex_);
  while (!stopped_) {
    const auto left = end - std::chrono::steady_clock::now();
    if (left <= std::chrono::nanoseconds(0)) return true;
    stopping_.WaitFor(&mutex_, left);
  }
  return false;
}

}  // namespace videodiffcr
