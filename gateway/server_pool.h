// The servers behind the gateway.
#ifndef VIDEODIFFCR_GATEWAY_SERVER_POOL_H_
#define VIDEODIFFCR_GATEWAY_SERVER_POOL_H_

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/server_list.h"
#include "client/video_client.h"

namespace videodiffcr {

// Hands out clients whose sessions begin with one server after the other; how a session comes from one to another is
// the client library's. Thread-safe.
class ServerPool {
 public:
  // `connect_timeout` is for a server to answer; `patience` as in ResumeOptions.
  ServerPool(ServerList servers, absl::Duration patience, absl::Duration connect_timeout = absl::Seconds(2))
      : servers_(std::move(servers)), patience_(patience), connect_timeout_(connect_timeout) {}

  // Waits for the network. Unavailable, reason NO_SERVER, when no server answers.
  absl::StatusOr<std::unique_ptr<VideoClient>> Client();

  // How the gateway's sessions outlive their connections and servers.
  ResumeOptions MendBreaks() const;

 private:
  const ServerList servers_;
  const absl::Duration patience_;
  const absl::Duration connect_timeout_;
  std::atomic<size_t> next_ = 0;
};

// Of the sessions of the gateway: so many chunks at most are made again when a server is lost, also the only one, which
// comes back.
inline constexpr int kSnapshotIntervalChunks = 4;

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_GATEWAY_SERVER_POOL_H_
