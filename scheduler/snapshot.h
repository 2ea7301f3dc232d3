// A frozen view of all sessions and of memory: all that the policies and the invariants see. Plain values; copy freely.
#ifndef VIDEODIFFCR_SCHEDULER_SNAPSHOT_H_
#define VIDEODIFFCR_SCHEDULER_SNAPSHOT_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "model/api/step_plan.h"
#include "scheduler/session_types.h"

namespace videodiffcr {

// Chunks of one session between the engine and its sink, at most; then the engine passes the session over.
inline constexpr int kMaxChunksInDelivery = 2;

// What gives way, step by step, when budgets at their floors are not enough.
enum class Degradation {
  kNone = 0,
  kBudgets = 1,   // some are below what was asked for
  kRunAhead = 2,  // sessions that are far ahead of their playout wait for those that are not, as do chunks that are
                  // late whatever is done
  kBatch = 3,     // batch sessions wait, too, as long as ageing lets them
  kRefuse = 4,    // no new sessions with playout
};

struct SessionView {
  SessionId id = 0;
  PriorityClass priority = PriorityClass::kStandard;
  SessionState state = SessionState::kWaiting;
  bool admitted = false;  // holds model memory
  bool ending = false;    // cancelled, failed or turned away; the engine has yet to end it
  absl::Time submitted;

  // What it would do if chosen now. Unset: nothing (waiting, paused, blocked, too far ahead, delivery full, ending).
  std::optional<PlannedStep> next_step;

  // Of the chunk that next_step works on or towards; meaningful only with next_step.
  absl::Time work_began;               // first moment it could have been worked on
  std::optional<absl::Time> deadline;  // playout; unset until the first chunk has started the clock
  bool first_chunk = false;            // nothing has been made yet
  int64_t last_plan = 0;               // number of the last plan that held this session; 0: none

  // Budgets: what the client wants at most and at least, that of the chunk in progress or made last (the target before
  // the first), and for how many chunks in a row a higher one would have been in time.
  RetentionTenths target = kDenseTenths;
  RetentionTenths floor = kDenseTenths;
  RetentionTenths budget = kDenseTenths;
  int quiet_chunks = 0;
  bool has_playout = false;
  bool at_boundary = false;     // next_step starts a chunk
  absl::Duration chunk_period;  // playing time of the chunk in progress or next
  absl::Duration chunk_needs;   // least time in which the chunk that it starts next can be there; 0: not known
  int64_t chunks_in_scene = 0;  // made of the scene that it belongs to
  int passes_left = 0;          // of it
  bool context_owed = false;    // the pass before it

  // When the clock alone will let it start its next chunk (run-ahead limit, its sink's hold); unset otherwise.
  std::optional<absl::Time> ready_at;
  // Since when its own client has held it back; unset otherwise.
  std::optional<absl::Time> idle_since;
  bool waited_for = false;  // it has been told that its idle time is over

  int64_t chunks_made = 0;             // denoised
  int64_t chunks_delivered = 0;        // taken by the sink
  int chunks_in_delivery = 0;          // between the two
  int chunks_undecoded = 0;            // of those, not yet frames
  std::optional<int64_t> chunks_left;  // still to be made; unset: until finished
  int64_t chunk_credits = 0;
};

struct Snapshot {
  absl::Time now;
  std::vector<SessionView> sessions;  // by id, which is by arrival
  int64_t memory_budget_bytes = 0;
  int64_t memory_reserved_bytes = 0;
  int64_t session_bytes = 0;
  int max_sessions = 0;
  int max_waiting_sessions = 0;
  int max_sessions_per_plan = 1;
  bool sharing_is_free = false;  // two sessions in a plan take hardly longer than one (PassTimes::SharingIsFree())
  int denoise_steps = 0;
  bool draining = false;
  bool slack_admission = false;  // sessions with playout wait for a share of the engine, too
  Degradation degradation = Degradation::kNone;
  std::optional<absl::Duration> chunk_period;  // measured, first pass to frames
  absl::Duration chunk_duration;               // playing time of a chunk that does not start a scene

  int admitted_sessions() const;
  int waiting_sessions() const;  // for memory; those that are ending wait for nothing
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SCHEDULER_SNAPSHOT_H_
