// The real VideoModel on one CUDA device: a model folder served from this process. See model/api/video_model.h for
// threads and errors. Torch-free, so that the factory in model/serving and tests may include it.
//
// Note: [One step ahead]. Run() queues its steps and then waits for those of the call before it, not for its own: the
// device always has the next pass at hand and the host never waits inside a chunk. A step's `elapsed` is the time Run()
// took, which in a steady stream is the time of one call. Results are ordered behind the steps by the stream itself:
// the latents of a last step carry an event that Decode() makes its own stream wait for. The host waits for it, too, to
// tell the rest of that pass from decoding.
//
// Determinism: the same plan gives the same bits. A session's video depends on its neighbours in the last bits, since
// products and attention are tiled by the number of rows; alone, a seed repeats bit for bit.
#ifndef VIDEODIFFCR_MODEL_GPU_GPU_VIDEO_MODEL_H_
#define VIDEODIFFCR_MODEL_GPU_GPU_VIDEO_MODEL_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "model/api/video_model.h"

namespace videodiffcr::gpu {

struct GpuVideoModelOptions {
  std::string model_folder;
  std::string precision = "bf16";  // "fp32", "bf16" or "fp8" (model/gpu/precision.h)
  // Slots for sessions, taken at once. 0: as many as fit into the device's free memory, at most 64.
  int sessions = 0;
  // Chunks are decoded as one launch (model/decoder/decode_graph.h) where the host is what decoding waits for, which is
  // the tiny model's decoder. Changes no bit of the video.
  bool decode_graph = true;
};

// Loads the folder, takes the memory and runs two chunks at every budget, so that the first request is as fast as the
// hundredth. Errors name file, flag or what the device lacks.
absl::StatusOr<std::unique_ptr<VideoModel>> CreateGpuVideoModel(const GpuVideoModelOptions& options);

}  // namespace videodiffcr::gpu

#endif  // VIDEODIFFCR_MODEL_GPU_GPU_VIDEO_MODEL_H_
