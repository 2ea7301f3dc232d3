// A queue of fixed capacity between threads.
//
// Invariants: never more than `capacity` items; items leave in the order in which they came; after Close() nothing
// enters, what is inside still leaves, and then every Pop(), those that already wait included, answers nullopt.
#ifndef VIDEODIFFCR_SCHEDULER_BOUNDED_QUEUE_H_
#define VIDEODIFFCR_SCHEDULER_BOUNDED_QUEUE_H_

#include <cstddef>
#include <deque>
#include <optional>
#include <utility>

#include "threading/mutex.h"

namespace videodiffcr {

template <typename T>
class BoundedQueue {
 public:
  explicit BoundedQueue(size_t capacity) : capacity_(capacity) {}

  // False when the queue is full or closed; the item is then dropped. Never blocks: who pushes decides what full means.
  [[nodiscard]] bool TryPush(T item) {
    MutexLock lock(&mutex_);
    if (closed_ || items_.size() >= capacity_) return false;
    items_.push_back(std::move(item));
    changed_.NotifyOne();
    return true;
  }

  // Waits for an item; nullopt once the queue is closed and empty.
  std::optional<T> Pop() {
    MutexLock lock(&mutex_);
    while (items_.empty() && !closed_) changed_.Wait(&mutex_);
    if (items_.empty()) return std::nullopt;
    std::optional<T> item = std::move(items_.front());
    items_.pop_front();
    return item;
  }

  void Close() {
    MutexLock lock(&mutex_);
    closed_ = true;
    changed_.NotifyAll();
  }

  size_t size() const {
    MutexLock lock(&mutex_);
    return items_.size();
  }

 private:
  const size_t capacity_;
  mutable Mutex mutex_;
  CondVar changed_;
  std::deque<T> items_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SCHEDULER_BOUNDED_QUEUE_H_
