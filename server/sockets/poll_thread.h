// A thread that waits for sockets, and for being told to leave.
#ifndef VIDEODIFFCR_SERVER_SOCKETS_POLL_THREAD_H_
#define VIDEODIFFCR_SERVER_SOCKETS_POLL_THREAD_H_

#include <functional>
#include <thread>

#include "absl/status/status.h"
#include "server/sockets/descriptor.h"

namespace videodiffcr {

// The last member of whoever owns what the thread uses.
class PollThread {
 public:
  PollThread();
  // Tells the thread to leave and waits until it has.
  ~PollThread();

  // Once. `run` is to poll leave() with its sockets, and to return when it is readable. Unavailable when the system is
  // out of descriptors or threads.
  absl::Status Start(std::function<void()> run);

  int leave() const { return leave_.get(); }

 private:
  Descriptor leave_;  // an eventfd
  std::thread thread_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_SOCKETS_POLL_THREAD_H_
