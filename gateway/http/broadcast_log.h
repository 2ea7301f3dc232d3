// A bounded row of items that one writer appends to and any number of readers follow, each at its own place.
#ifndef VIDEODIFFCR_GATEWAY_HTTP_BROADCAST_LOG_H_
#define VIDEODIFFCR_GATEWAY_HTTP_BROADCAST_LOG_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "threading/mutex.h"

namespace videodiffcr {

// Thread-safe. Items are numbered from 0; the oldest go when there are more than the limits allow, whoever still wants
// them: a reader that comes too late is told where it may go on. The writer never waits.
template <typename Item>
class BroadcastLog {
 public:
  struct Limits {
    size_t max_items = 64;
    size_t max_bytes = 16 << 20;  // the newest item is kept whatever its size
  };
  struct Found {
    int64_t number = 0;
    std::shared_ptr<const Item> item;  // nullptr: closed, and nothing is left at this place or behind
  };
  using Ready = std::function<void(Found)>;

  explicit BroadcastLog(Limits limits) : limits_(limits) {}

  void Append(Item item, size_t bytes) {
    std::vector<Waiter> woken;
    Found found;
    {
      MutexLock lock(&mutex_);
      if (closed_) return;
      items_.push_back({std::make_shared<const Item>(std::move(item)), bytes});
      bytes_ += bytes;
      while (items_.size() > 1 && (items_.size() > limits_.max_items || bytes_ > limits_.max_bytes)) {
        bytes_ -= items_.front().bytes;
        items_.pop_front();
        ++first_;
      }
      found = {NextNumber() - 1, items_.back().item};
      for (auto waiter = waiters_.begin(); waiter != waiters_.end();) {
        const auto current = waiter++;
        if (current->second.from > found.number) continue;
        woken.push_back(std::move(current->second));
        waiters_.erase(current);
      }
    }
    for (const Waiter& waiter : woken) waiter.ready(found);
  }

  // Nothing comes any more.
  void Close() {
    std::map<int64_t, Waiter> woken;
    {
      MutexLock lock(&mutex_);
      closed_ = true;
      woken.swap(waiters_);
    }
    for (const auto& [ticket, waiter] : woken) waiter.ready({waiter.from, nullptr});
  }

  // Calls `ready` once, with the item number `from`, or, when that has gone already, with the newest: now, on this
  // thread, or when it is there, on the writer's. The ticket is for Forget().
  int64_t Wait(int64_t from, Ready ready) {
    Found found;
    {
      MutexLock lock(&mutex_);
      if (from >= NextNumber() && !closed_) {
        waiters_[++tickets_] = {from, std::move(ready)};
        return tickets_;
      }
      if (from < NextNumber()) {
        const int64_t number = from >= first_ ? from : NextNumber() - 1;
        found = {number, items_[static_cast<size_t>(number - first_)].item};
      }
    }
    ready(found);
    return 0;
  }

  // The reader is gone; `ready` is not called unless that has begun.
  void Forget(int64_t ticket) {
    MutexLock lock(&mutex_);
    waiters_.erase(ticket);
  }

  // What is kept now, oldest first.
  struct Snapshot {
    int64_t first = 0;
    std::vector<std::shared_ptr<const Item>> items;
    bool closed = false;
  };
  Snapshot Look() const {
    MutexLock lock(&mutex_);
    Snapshot snapshot{first_, {}, closed_};
    for (const Kept& kept : items_) snapshot.items.push_back(kept.item);
    return snapshot;
  }

  // Of the item that comes next.
  int64_t next() const {
    MutexLock lock(&mutex_);
    return NextNumber();
  }

  size_t bytes() const {
    MutexLock lock(&mutex_);
    return bytes_;
  }

 private:
  struct Kept {
    std::shared_ptr<const Item> item;
    size_t bytes = 0;
  };
  struct Waiter {
    int64_t from = 0;
    Ready ready;
  };

  int64_t NextNumber() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return first_ + static_cast<int64_t>(items_.size());
  }

  const Limits limits_;
  mutable Mutex mutex_;
  std::deque<Kept> items_ ABSL_GUARDED_BY(mutex_);
  int64_t first_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<int64_t, Waiter> waiters_ ABSL_GUARDED_BY(mutex_);
  int64_t tickets_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_GATEWAY_HTTP_BROADCAST_LOG_H_
