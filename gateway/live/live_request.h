// What POST /live and its controls say.
#ifndef VIDEODIFFCR_GATEWAY_LIVE_LIVE_REQUEST_H_
#define VIDEODIFFCR_GATEWAY_LIVE_LIVE_REQUEST_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "client/change_schedule.h"
#include "nlohmann/json.hpp"
#include "videodiffcr/v1/video_generation.pb.h"

namespace videodiffcr {

// Of one session, planned or asked for while it ran.
inline constexpr size_t kMaxChanges = 1024;

struct LiveRequest {
  std::string prompt;
  uint64_t seed = 0;            // 0: the server picks one
  double budget = 1.0;          // Retention.target
  std::optional<double> floor;  // Retention.floor
  int64_t length_chunks = 0;    // 0: until it is finished
  double start_buffer_seconds = 0.5;
  int64_t run_ahead_chunks = 3;              // chunks that generation may be ahead of playing
  std::map<int64_t, PlannedChange> changes;  // by the first chunk they show in
};

// From JSON. InvalidArgument names the field; what only the server can judge passes.
absl::StatusOr<LiveRequest> ParseLiveRequest(const std::string& body);

// Makes of `applied`, by the first chunk they show in, what the chunks had: `chunk` was made at budget `used`, the one
// before it at `before`, whether the client asked for that or a busy server took it down to the floor.
void RecordBudget(int64_t chunk, double before, double used, std::map<int64_t, PlannedChange>* applied);

// What ParseLiveRequest() reads so that the same video comes again: of a session that was started with `request`, got
// `seed`, and in which `applied` took effect. `made`: the chunks of one that has ended, or 0. A change that came before
// the first chunk is part of the start. No floor: the budgets are those that the chunks had.
nlohmann::json ReplayJson(const LiveRequest& request, uint64_t seed, const std::map<int64_t, PlannedChange>& applied,
                          int64_t made);

// The first message of the call.
v1::SessionConfig ToSessionConfig(const LiveRequest& request);

// What POST /live/ID/<name> asks for. NotFound when there is no such control.
struct LiveControl {
  enum class Kind { kChange, kPause, kUnpause, kFinish };
  Kind kind = Kind::kChange;
  PlannedChange change;  // of kChange
};
absl::StatusOr<LiveControl> ParseLiveControl(const std::string& name, const std::string& body);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_GATEWAY_LIVE_LIVE_REQUEST_H_
