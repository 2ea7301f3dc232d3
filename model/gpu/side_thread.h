// Runs jobs on one thread of its own while their callers wait. LibTorch keeps cuBLAS's and cuDNN's handles and the
// plans of convolutions by thread: the first pass or decode on another thread than the one that warmed up would make
// them again.
#ifndef VIDEODIFFCR_MODEL_GPU_SIDE_THREAD_H_
#define VIDEODIFFCR_MODEL_GPU_SIDE_THREAD_H_

#include <functional>
#include <semaphore>
#include <thread>

#include "threading/mutex.h"

namespace videodiffcr::gpu {

class SideThread {
 public:
  SideThread();
  ~SideThread();  // no Run() may be under way
  SideThread(const SideThread&) = delete;
  SideThread& operator=(const SideThread&) = delete;

  // Returns when `job` has run. Any thread may call; jobs run one at a time. `job` must not throw.
  void Run(const std::function<void()>& job);

 private:
  void Loop();

  Mutex one_caller_;
  // What lies between the semaphores belongs to the caller until begin_ is released, then to the thread until done_ is.
  std::binary_semaphore begin_{0}, done_{0};
  const std::function<void()>* job_ = nullptr;  // null: stop
  std::thread thread_;                          // last: it uses the others
};

}  // namespace videodiffcr::gpu

#endif  // VIDEODIFFCR_MODEL_GPU_SIDE_THREAD_H_
