// Requests to plain structs. Every function checks all that can be checked without running anything; what does not hold
// is InvalidArgument with ErrorInfo and BadRequest naming the field and its value.
#ifndef VIDEODIFFCR_SERVER_RPC_REQUEST_CONVERSION_H_
#define VIDEODIFFCR_SERVER_RPC_REQUEST_CONVERSION_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "model/api/model_info.h"
#include "model/api/video_model.h"
#include "scheduler/scheduler.h"
#include "scheduler/session_types.h"
#include "server/media/encoder_config.h"
#include "server/rpc/rpc_limits.h"
#include "server/rpc/session_warnings.h"
#include "videodiffcr/v1/video_generation.pb.h"

namespace videodiffcr {

// The most that one message may grant. What is left of several grants may be more.
inline constexpr int64_t kMaxChunkCredits = 1'000'000;
inline constexpr int64_t kMaxByteCredits = int64_t{1} << 50;

// A session as asked for, checked against the model and the limits.
struct SessionPlan {
  SessionRequest request;  // seed 0 when the server is to pick one
  EncoderConfig encoder;
  std::string request_id;               // empty: none
  int64_t announced_length_chunks = 0;  // 0: until finished
  bool resumable = false;
  int snapshot_interval_chunks = 0;  // 0: only when asked for, and at the end
  v1::SessionConfig config;          // that this was made of
  // Of a session that goes on from a snapshot.
  int64_t controls_received = 0;
  PromptWarnings warnings;
};

// A change, with what the viewer should be warned about.
struct CheckedChange {
  SessionChange change;
  PromptWarnings warnings;
};

struct CheckedCredits {
  int64_t chunks = 0;
  int64_t bytes = 0;
};

// Field names begin with "config.". `one_clip`: the rules of GenerateVideo (a length is needed, credits are unlimited).
absl::StatusOr<SessionPlan> ConvertConfig(const v1::SessionConfig& config, bool one_clip, const VideoModel& model,
                                          const RpcLimits& limits);

// A budget in tenths of the model's table; `field` is its whole name.
absl::StatusOr<RetentionTenths> ConvertBudget(absl::string_view field, double value, const ModelInfo& model);

absl::StatusOr<CheckedChange> ConvertUpdate(const v1::SessionUpdate& update, const VideoModel& model,
                                            const RpcLimits& limits);
absl::StatusOr<CheckedChange> ConvertSceneCut(const v1::SceneCutRequest& scene_cut, const VideoModel& model,
                                              const RpcLimits& limits);
absl::StatusOr<CheckedCredits> ConvertCredit(const v1::CreditGrant& credit);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_REQUEST_CONVERSION_H_
