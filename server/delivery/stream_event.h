// What a session tells its viewer, as plain data: server/rpc turns each event into one response message.
#ifndef VIDEODIFFCR_SERVER_DELIVERY_STREAM_EVENT_H_
#define VIDEODIFFCR_SERVER_DELIVERY_STREAM_EVENT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "model/api/model_info.h"
#include "scheduler/session_types.h"
#include "server/media/encoder_config.h"

namespace videodiffcr {

// The session was admitted: what every call that is connected to it hears first.
struct StartedEvent {
  std::string session_name;
  std::string resume_token;  // empty for those who only watch
  std::string watch_token;
  uint64_t seed = 0;
  int width = 0;   // pixels
  int height = 0;  // pixels
  int frames_per_second = 0;
  int first_chunk_frames = 0;
  int chunk_frames = 0;
  std::string codec_string;
  OutputKind output;
  std::string model;
  int64_t length_chunks = 0;  // 0: until finished
  RetentionTenths target = kDenseTenths;
  // Of the call that hears it.
  bool resumed = false;
  int64_t next_sequence = 0;
  int64_t controls_received = 0;
};

struct ChunkEvent {
  int64_t sequence = 0;
  int64_t first_frame = 0;
  int frame_count = 0;
  absl::Duration presentation_start;
  absl::Duration presentation_duration;
  bool keyframe = true;
  bool scene_start = false;
  std::string init_segment;
  std::string payload;
  uint32_t payload_crc32c = 0;
  RetentionTenths nominal = kDenseTenths;
  double executed_retention = 1.0;
  double executed_cache = 1.0;
  ChunkTimings timings;
  absl::Duration encode;
  absl::Time work_began;
  std::optional<absl::Time> deadline;
};

// What the payload of chunk 0 begins with.
struct FirstFragmentEvent {
  std::string init_segment;
  std::string payload;
  uint32_t payload_crc32c = 0;
  int frame_count = 0;
};

struct UpdateAppliedEvent {
  int64_t update_id = 0;
  int64_t first_chunk = 0;
};

struct StateChangedEvent {
  SessionState state = SessionState::kWaiting;
  std::string reason;
};

struct BudgetChangedEvent {
  int64_t first_chunk = 0;
  RetentionTenths target = kDenseTenths;
  bool by_server = false;
  std::string reason;
};

struct WarningEvent {
  std::string reason;  // UPPER_SNAKE_CASE
  std::string message;
  std::vector<std::string> details;
};

// The session ended as asked: always the last event.
struct FinishedEvent {
  int64_t chunks = 0;
  int64_t frames = 0;
  int64_t payload_bytes = 0;
  absl::Duration content_duration;
  absl::Duration wall_duration;
  absl::Duration time_to_first_chunk;
  double nominal_retention_mean = 1.0;
  double executed_retention_mean = 1.0;
  double executed_cache_mean = 1.0;
  std::string reason;
};

// Where the session stands; see SessionSnapshot in the API.
struct SnapshotEvent {
  std::string state;
  std::string seal;
  int64_t next_sequence = 0;
};

using StreamEvent = std::variant<ChunkEvent, UpdateAppliedEvent, StateChangedEvent, BudgetChangedEvent, WarningEvent,
                                 FinishedEvent, SnapshotEvent, FirstFragmentEvent>;

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_DELIVERY_STREAM_EVENT_H_
