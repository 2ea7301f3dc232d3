// Drives a model chunk by chunk, as the engine does, and times what it does.
#ifndef VIDEODIFFCR_BENCH_CHUNK_RUN_H_
#define VIDEODIFFCR_BENCH_CHUNK_RUN_H_

#include <memory>
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

// The model's budget of so many tenths; InvalidArgument for one that it does not have.
absl::StatusOr<RetentionBudget> FindBudget(const ModelInfo& info, int tenths);

class ChunkRun;

// One session, driven until its window is full and then as long as it is asked to.
class FullWindowSession {
 public:
  // InvalidArgument for a budget that the model does not have; else the error is the model's. `model` must outlive it.
  static absl::StatusOr<std::unique_ptr<FullWindowSession>> Begin(VideoModel& model, RetentionTenths budget);
  ~FullWindowSession();

  // The next chunks, decoded as in MeasureChunks().
  absl::Status Generate(int chunks);

 private:
  FullWindowSession();

  ChunkSamples ignored_;
  std::unique_ptr<ChunkRun> run_;
  int64_t chunk_ = 0;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_BENCH_CHUNK_RUN_H_
