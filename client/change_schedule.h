// Changes that must take effect at exactly one chunk.
#ifndef VIDEODIFFCR_CLIENT_CHANGE_SCHEDULE_H_
#define VIDEODIFFCR_CLIENT_CHANGE_SCHEDULE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "videodiffcr/v1/video_generation.pb.h"

namespace videodiffcr {

struct PlannedChange {
  std::optional<std::string> prompt;
  std::optional<double> retention_target;
  bool scene_cut = false;  // `prompt` is that of the new scene then
};

// The messages that ask for `change`: one, or two for a scene cut with a new budget.
std::vector<v1::StreamVideoRequest> RequestsFor(const PlannedChange& change, int64_t update_id);

// Note [Exact changes]: a server applies an update at the next chunk boundary, whichever that is when the message
// arrives. So this schedule grants chunk credits only up to the next change: the server stops before chunk K, then gets
// the update and, after it on the same stream, the credits. Messages of one stream are handled in order, so chunk K is
// the first that the update can reach. It costs one round trip per change and nothing else.
class ChangeSchedule {
 public:
  // `changes` by chunk, from 1 on. `length_chunks` as in SessionConfig.
  ChangeSchedule(std::map<int64_t, PlannedChange> changes, int64_t length_chunks);

  // For SessionConfig.initial_chunk_credits; nullopt without changes: credits play no part.
  std::optional<int64_t> initial_chunk_credits() const;

  // What to send, in this order, after chunk `sequence` has arrived; empty unless the next chunk is to change.
  std::vector<v1::StreamVideoRequest> AfterChunk(int64_t sequence) const;

  // Whether the server kept to it: the update_id of every request is the chunk it is meant for. Internal when it did
  // not.
  absl::Status CheckApplied(const v1::UpdateApplied& applied) const;

 private:
  const std::map<int64_t, PlannedChange> changes_;
  const int64_t length_chunks_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CLIENT_CHANGE_SCHEDULE_H_
