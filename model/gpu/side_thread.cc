#include "model/gpu/side_thread.h"

namespace videodiffcr::gpu {

SideThread::SideThread() : thread_([this] { Loop(); }) {}

SideThread::~SideThread() {
  job_ = nullptr;
  begin_.release();
  thread_.join();
}

void SideThread::Run(const std::function<void()>& job) {
  MutexLock alone(&one_caller_);
  job_ = &job;
  begin_.release();
  done_.acquire();
}

void SideThread::Loop() {
  for (begin_.acquire(); job_ != nullptr; begin_.acquire()) {
    (*job_)();
    done_.release();
  }
}

}  // namespace videodiffcr::gpu
