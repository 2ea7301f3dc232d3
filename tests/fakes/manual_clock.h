// A clock that stands still until a test moves it. Any thread.
#ifndef VIDEODIFFCR_TESTS_FAKES_MANUAL_CLOCK_H_
#define VIDEODIFFCR_TESTS_FAKES_MANUAL_CLOCK_H_

#include <algorithm>
#include <chrono>
#include <vector>

#include "threading/clock.h"

namespace videodiffcr {

class ManualClock final : public Clock {
 public:
  explicit ManualClock(absl::Time start = absl::UnixEpoch() + absl::Hours(1)) : now_(start) {}

  absl::Time Now() const override {
    MutexLock lock(&mutex_);
    return now_;
  }

  void WaitUntil(absl::Time deadline, CondVar* condition, Mutex* mutex) override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    const Waiter self = {condition, mutex, deadline};
    {
      MutexLock lock(&mutex_);
      if (now_ >= deadline) return;
      waiters_.push_back(self);
      waiting_.NotifyAll();
    }
    condition->Wait(mutex);
    MutexLock lock(&mutex_);
    waiters_.erase(std::find(waiters_.begin(), waiters_.end(), self));
  }

  // Wakes those whose deadline has come, and nobody else, as a real clock would. The caller must hold none of their
  // mutexes, and nobody who waits may be destroyed meanwhile.
  void Advance(absl::Duration duration) {
    std::vector<Waiter> waiters;
    {
      MutexLock lock(&mutex_);
      now_ += duration;
      waiters = waiters_;
    }
    for (const Waiter& waiter : waiters) {
      if (waiter.deadline > Now()) continue;
      // Under the waiter's mutex, else the signal could fall between its registration and its wait.
      MutexLock lock(waiter.mutex);
      waiter.condition->NotifyAll();
    }
  }

  // Until so many wait, as an engine that has nothing to do does; false when they did not within half a minute of real
  // time.
  bool WaitForWaiters(size_t count) {
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    MutexLock lock(&mutex_);
    while (waiters_.size() < count) {
      if (std::chrono::steady_clock::now() >= give_up) return false;
      waiting_.WaitFor(&mutex_, std::chrono::seconds(30));
    }
    return true;
  }

 private:
  struct Waiter {
    CondVar* condition;
    Mutex* mutex;
    absl::Time deadline;
    bool operator==(const Waiter& other) const {
      return condition == other.condition && mutex == other.mutex && deadline == other.deadline;
    }
  };

  mutable Mutex mutex_;
  CondVar waiting_;
  absl::Time now_ ABSL_GUARDED_BY(mutex_);
  std::vector<Waiter> waiters_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_TESTS_FAKES_MANUAL_CLOCK_H_
