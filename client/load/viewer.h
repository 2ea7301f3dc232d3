// One viewer of a load: a session from its start to its end, with whatever befalls it on the way.
#ifndef VIDEODIFFCR_CLIENT_LOAD_VIEWER_H_
#define VIDEODIFFCR_CLIENT_LOAD_VIEWER_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "client/load/load_options.h"
#include "client/load/load_result.h"
#include "client/running_calls.h"
#include "client/video_client.h"
#include "videodiffcr/v1/video_generation.pb.h"

namespace videodiffcr {

// For ViewerPlan::killed_after: as soon as the server says that the session has started.
inline constexpr int64_t kBeforeAnyChunk = -1;

// What one viewer does, decided before it begins.
struct ViewerPlan {
  v1::SessionConfig config;
  std::optional<absl::Duration> start_buffer;
  absl::Duration pause_before_chunk;    // of a slow reader
  std::vector<int64_t> cuts;            // chunks behind which the connection breaks
  std::optional<int64_t> killed_after;  // the chunk after which the session is cancelled; kBeforeAnyChunk
  bool verify = false;
  std::function<void(const v1::StreamVideoResponse&)> observe;  // each message, from the viewer's thread; empty: none
};

// A viewer of the mix that `options` describe.
ViewerPlan DrawViewer(const LoadOptions& options, const std::vector<std::string>& prompts, std::mt19937_64* random);

// What tells a chunk's bytes from any others, for all that matters.
struct ChunkDigest {
  uint64_t hash = 0;
  uint32_t crc32c = 0;
  int64_t bytes = 0;
  double nominal = 1;
  bool operator==(const ChunkDigest&) const = default;
};
ChunkDigest DigestOf(const v1::VideoChunk& chunk);

// What a chunk took on the server beside queues, model and encoder.
absl::Duration OverheadOf(const v1::StageTimings& timings);

struct ViewerRun {
  ViewerOutcome outcome;
  std::vector<ChunkDigest> digests;  // if the plan says verify
};

// `origin`: the start of the load. `calls` has the session while it runs; once those are cancelled it counts as killed.
// `chunks` counts all viewers' for the progress line. Takes as long as the session.
ViewerRun RunViewer(VideoClient* client, const ViewerPlan& plan, absl::Time origin, RunningCalls* calls,
                    std::atomic<int64_t>* chunks);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CLIENT_LOAD_VIEWER_H_
