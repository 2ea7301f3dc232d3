// What goes into a session and what comes out of it, between the server and the scheduler. Plain data and one
// interface.
#ifndef VIDEODIFFCR_SCHEDULER_SESSION_TYPES_H_
#define VIDEODIFFCR_SCHEDULER_SESSION_TYPES_H_

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "model/api/frame_chunk.h"
#include "model/api/model_info.h"
#include "model/api/step_plan.h"

namespace videodiffcr {

inline constexpr int64_t kUnlimitedCredits = std::numeric_limits<int64_t>::max();
// Of a session whose sink is no connection (Scheduler::SetTransportRoom).
inline constexpr int kUnlimitedRoom = std::numeric_limits<int>::max();

enum class PriorityClass { kStandard, kBatch };

// A finished chunk, as far as later ones look back at it.
struct EarlierChunk {
  int64_t sequence = 0;
  std::shared_ptr<const std::string> prompt;  // that was in force
  std::shared_ptr<const HalfLatents> latents;
  RetentionTenths budget = kDenseTenths;  // that it was made at: says what of it stays in the cache
};

// Where another server has left a session.
struct Continuation {
  int64_t chunks = 0;  // made so far, in the whole video
  int64_t frames = 0;
  // Of the scene: what the next chunk may look back at (ModelInfo::window_chunks), as far as it is known, rising up to
  // the chunk made last. Empty: the next one starts a scene.
  std::vector<EarlierChunk> scene;
  std::vector<int64_t> update_ids;  // of changes that take effect with the next chunk: they are told of there
  bool paused = false;
  std::optional<absl::Duration> due;  // until the next chunk is to play; unset before the playout clock has started
};

// What the client has asked of the chunks that are still to come.
struct Outstanding {
  std::string prompt;
  RetentionTenths target = kDenseTenths;
  bool scene_cut = false;
  std::vector<int64_t> update_ids;
  bool paused = false;
  bool finishing = false;
  int64_t chunks_started = 0;  // in the whole video
  int64_t chunk_credits = kUnlimitedCredits;
  int64_t byte_credits = kUnlimitedCredits;
  std::optional<absl::Duration> due;
};

// A validated request: the server has already checked prompt, sizes and budget against ModelInfo and the limits.
struct SessionRequest {
  std::string prompt;
  uint64_t seed = 1;          // never 0
  int64_t length_chunks = 0;  // 0: until finished
  RetentionTenths target = kDenseTenths;
  RetentionTenths floor = kDenseTenths;
  bool floor_follows_target = false;  // none was asked for: it is the target, also after a change of that
  PriorityClass priority = PriorityClass::kStandard;
  std::optional<absl::Duration> playout_start_buffer;  // set: chunks have deadlines
  int64_t run_ahead_limit_chunks = 0;                  // 0: none
  int64_t chunk_credits = kUnlimitedCredits;
  int64_t byte_credits = kUnlimitedCredits;
  // Set: goes on behind these chunks. All else is as it is to be from now on; `length_chunks` is of the whole video.
  std::shared_ptr<const Continuation> continuation;
  bool keep_latents = false;  // GeneratedChunk::latents are wanted
};

// A change from the next chunk boundary on.
struct SessionChange {
  std::optional<std::string> prompt;
  std::optional<RetentionTenths> target;
  bool scene_cut = false;
  int64_t update_id = 0;
};

enum class SessionState { kWaiting, kGenerating, kPaused, kBlocked, kFinishing, kEnded };

struct ChunkTimings {
  absl::Duration queue;           // ready but waiting for the engine, also for others in the same plan
  absl::Duration text;            // text encoding, when the prompt was new
  absl::Duration denoise;         // denoising passes, with what the decode waited for the last one
  absl::Duration context;         // context pass of the chunk before (it runs behind that chunk's delivery)
  absl::Duration context_queue;   // that pass, ready but waiting for the engine
  absl::Duration delivery_queue;  // denoised, waiting for a delivery thread or for the session's chunk before it
  absl::Duration decode;          // latents to frames, without that wait
};

// One chunk on its way out.
struct GeneratedChunk {
  int64_t sequence = 0;
  int64_t first_frame = 0;
  bool scene_start = false;
  RetentionTenths nominal = kDenseTenths;
  double executed_retention = 1.0;
  double executed_cache = 1.0;  // keys of earlier chunks that it attended to, over those of a whole cache
  ChunkTimings timings;
  absl::Time work_began;               // first moment it could have been denoised, the context pass before it done
  std::optional<absl::Time> deadline;  // set with playout, from the second chunk on; the first starts the clock
  FrameChunk frames;
  std::shared_ptr<const std::string> prompt;
  std::shared_ptr<const HalfLatents> latents;  // null unless SessionRequest::keep_latents
};

struct SessionTotals {
  int64_t chunks = 0;
  int64_t frames = 0;
  double nominal_retention_mean = 1.0;
  double executed_retention_mean = 1.0;
  double executed_cache_mean = 1.0;
  std::string reason;  // "LENGTH_REACHED" or "FINISH_REQUESTED"; empty after an error
};

// No chunk is to be started before `until`.
struct ChunkHold {
  absl::Time until;
  const char* reason = "";  // in words for the client; a literal
};

// Where a session's results leave the scheduler. One per session; owned by the scheduler from Submit() on, destroyed
// after OnEnded(). Calls never overlap for one session and come from the delivery threads. OnChunk() may take as long
// as encoding takes, the OnStateChanged() behind a wait for admission as long as making an encoder; all others must
// return at once.
class SessionSink {
 public:
  virtual ~SessionSink() = default;

  // Encodes and queues the chunk. Returns the encoded bytes (they count against byte credits), or why this session
  // cannot go on.
  virtual absl::StatusOr<int64_t> OnChunk(GeneratedChunk chunk) = 0;

  // Behind each OnChunk() that went well, from the same thread: whether the session is to slow down.
  virtual std::optional<ChunkHold> HoldAfterChunk() { return std::nullopt; }

  virtual void OnUpdateApplied(int64_t update_id, int64_t first_chunk) = 0;
  virtual void OnBudgetChanged(int64_t first_chunk, RetentionTenths target, bool by_server,
                               std::string_view reason) = 0;
  virtual void OnStateChanged(SessionState state, std::string_view reason) = 0;

  // The last call. OK: the session ended as asked and `totals` say how; otherwise why it could not go on. When it
  // throws it is called once more, with what went wrong; another event that throws ends its session.
  virtual void OnEnded(const absl::Status& status, const SessionTotals& totals) = 0;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SCHEDULER_SESSION_TYPES_H_
