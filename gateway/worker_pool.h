// Threads for what waits: the HTTP thread must not.
#ifndef VIDEODIFFCR_GATEWAY_WORKER_POOL_H_
#define VIDEODIFFCR_GATEWAY_WORKER_POOL_H_

#include <cstddef>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "threading/mutex.h"

namespace videodiffcr {

// Thread-safe.
class WorkerPool {
 public:
  WorkerPool(int threads, size_t max_waiting);
  // Work that has not begun is dropped; work that has is waited for.
  ~WorkerPool();

  // False when so much waits already that this was dropped. Work that throws is dropped too, with a line in the log.
  [[nodiscard]] bool Run(std::function<void()> work);

 private:
  void Work();

  const size_t max_waiting_;
  Mutex mutex_;
  CondVar changed_;
  std::deque<std::function<void()>> waiting_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_GATEWAY_WORKER_POOL_H_
