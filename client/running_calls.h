// The calls that a command has open, so that Ctrl-C ends all of them.
#ifndef VIDEODIFFCR_CLIENT_RUNNING_CALLS_H_
#define VIDEODIFFCR_CLIENT_RUNNING_CALLS_H_

#include <set>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "client/video_call.h"
#include "threading/mutex.h"

namespace videodiffcr {

// Thread-safe.
class RunningCalls {
 public:
  // `call` is to be removed before it ends. False when CancelAll() came first: nothing new is to begin.
  bool Add(VideoCall* call);
  void Remove(VideoCall* call);
  // Cancels the calls that are open and keeps others from being added. False when no call has ever been added: there is
  // nothing whose end would have to be waited for.
  bool CancelAll();
  bool cancelled() const;
  // Whether one has not been removed yet.
  bool any_open() const;
  // Sleeps. False when CancelAll() came before the time had passed.
  bool Sleep(absl::Duration time);

 private:
  mutable Mutex mutex_;
  CondVar changed_;
  std::set<VideoCall*> calls_ ABSL_GUARDED_BY(mutex_);
  bool any_ ABSL_GUARDED_BY(mutex_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CLIENT_RUNNING_CALLS_H_
