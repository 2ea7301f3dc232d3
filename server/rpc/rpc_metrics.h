// The Prometheus families that the calls feed (docs/metrics.md says which question each answers).
#ifndef VIDEODIFFCR_SERVER_RPC_RPC_METRICS_H_
#define VIDEODIFFCR_SERVER_RPC_RPC_METRICS_H_

#include <array>

#include "absl/status/status.h"
#include "prometheus/counter.h"
#include "prometheus/gauge.h"
#include "prometheus/registry.h"

namespace videodiffcr {

enum class RpcMethod { kStreamVideo, kGenerateVideo, kUpdateSession, kCancelSession, kWatchSession, kGetServerInfo };
enum class ControlType { kUpdate, kCredit, kPause, kUnpause, kSceneCut, kFinish, kAck, kSnapshot, kUnknown };
// What became of a control message: taken over, refused (the call ends), or come too late for its session (a warning).
enum class ControlResult { kAccepted, kRejected, kTooLate };

// What became of a call that asked to go on with a session: it goes on; what it wants to hear again is gone; its token
// is nobody's; the request itself was refused.
enum class ResumeResult { kResumed, kLost, kUnauthenticated, kRefused };

struct RpcMetrics {
  // Registers every family at 0. `registry` outlives this.
  explicit RpcMetrics(prometheus::Registry* registry);
  RpcMetrics(const RpcMetrics&) = delete;
  RpcMetrics& operator=(const RpcMetrics&) = delete;

  void CountCall(RpcMethod method, absl::StatusCode code);
  void CountControl(ControlType type, ControlResult result);
  // One that was closed as soon as it was there: its peer has too many, or all together are.
  void CountRefusedConnection(bool peer_has_too_many);

  void CountResume(ResumeResult result);

  prometheus::Gauge* connections;
  prometheus::Counter* replayed_chunks_total;       // sent again after a resume
  prometheus::Gauge* watchers;                      // calls of WatchSession that are connected to a session
  prometheus::Counter* watch_chunks_skipped_total;  // that a watcher was too slow for

 private:
  static constexpr int kMethods = 6;
  static constexpr int kCodes = 17;
  static constexpr int kControlTypes = 9;
  static constexpr int kControlResults = 3;
  std::array<std::array<prometheus::Counter*, kCodes>, kMethods> calls_;
  std::array<std::array<prometheus::Counter*, kControlResults>, kControlTypes> controls_;
  std::array<prometheus::Counter*, 4> resumes_;  // by ResumeResult
  prometheus::Counter* refused_connections_[2];  // all together, by peer
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_RPC_METRICS_H_
