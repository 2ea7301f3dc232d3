// The servers behind the gateway.
#ifndef VIDEODIFFCR_GATEWAY_SERVER_POOL_H_
#define VIDEODIFFCR_GATEWAY_SERVER_POOL_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/video_client.h"
#include "threading/mutex.h"

namespace videodiffcr {

// Thread-safe; its calls wait for the network.
class ServerPool {
 public:
  // "host:port" each, one at least. `connect_timeout` is for one server to answer.
  explicit ServerPool(std::vector<std::string> addresses, absl::Duration connect_timeout = absl::Seconds(2));

  // What became of one server's try.
  struct Tried {
    absl::Status status;
    bool final = true;  // no other server is to be asked
  };
  // Hands one server after another to `attempt`, another first each time, until one is final. The last status;
  // Unavailable, reason NO_SERVER, when none of them answers.
  absl::Status Try(const std::function<Tried(VideoClient& client, const std::string& address)>& attempt);

  // Whether another server may take what this one refused with `status`.
  static bool AnotherMayServe(const absl::Status& status);

  size_t size() const { return addresses_.size(); }

 private:
  absl::StatusOr<std::shared_ptr<VideoClient>> Client(size_t index);
  void Forget(size_t index);

  const std::vector<std::string> addresses_;
  const absl::Duration connect_timeout_;
  Mutex mutex_;
  std::vector<std::shared_ptr<VideoClient>> clients_ ABSL_GUARDED_BY(mutex_);  // by address; nullptr: not connected
  size_t next_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_GATEWAY_SERVER_POOL_H_
