// What `videodiffcr top` shows: a row per server, from two looks at its metrics.
#ifndef VIDEODIFFCR_CLIENT_TOP_TABLE_H_
#define VIDEODIFFCR_CLIENT_TOP_TABLE_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/metrics_text.h"

namespace videodiffcr {

struct TopServer {
  std::string name;                                 // how its metrics are reached
  absl::Status reached;                             // not OK: the row says why
  std::optional<absl::StatusOr<int>> max_sessions;  // as GetServerInfo says, or why it does not; nullopt: not asked
  MetricsText before, now;
  absl::Duration between;
};

// What a server's page for Prometheus says. FailedPrecondition when `page` is that of something else: a row of zeros
// would look like a server with nothing to do.
absl::StatusOr<MetricsText> ReadServerMetrics(const std::string& page);

// Lines of equal columns, a head before them and what they come to together behind them. Figures of time are of what
// happened between the two looks; "-" where nothing did.
std::string TopTable(const std::vector<TopServer>& servers);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CLIENT_TOP_TABLE_H_
