// Drives a model chunk by chunk, as the engine does, and times what it does.
#ifndef VIDEODIFFCR_BENCH_CHUNK_RUN_H_
#define VIDEODIFFCR_BENCH_CHUNK_RUN_H_

#include <vector>

#include "absl/status/statusor.h"
#include "bench/report.h"
#include "model/api/video_model.h"

namespace videodiffcr {

// In ms.
struct ChunkSamples {
  std::vector<Samples> passes;  // one per denoising step
  Samples context, decode, routing;
  Samples first_chunk;  // of a session alone: prompt to frames
  Samples period;       // from one finished chunk to the next
};

// `chunks` chunks of `sessions` sessions at one budget, after the window is full; before them some first chunks of a
// session alone. On a GPU the chunks of a plan are decoded beside the passes of the next one, as a server's delivery
// threads do; on a CPU after their own. The error is the model's.
absl::StatusOr<ChunkSamples> MeasureChunks(VideoModel& model, int sessions, RetentionTenths budget, int chunks);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_BENCH_CHUNK_RUN_H_
