// The VideoModel on one CUDA device, made of a model's parts. See model/api/video_model.h for threads and errors.
//
// Note: [One step ahead]. Run() queues its steps and then waits for those of the call before it, not for its own: the
// device always has the next pass at hand and the host never waits inside a chunk. A step's `elapsed` is the time Run()
// took, which in a steady stream is the time of one call. Results are ordered behind the steps by the stream itself:
// the latents of a last step carry an event that Decode() makes its own stream wait for. The host waits for it, too, to
// tell the rest of that pass from decoding.
//
// Determinism: the same plan gives the same bits. A session's video depends on its neighbours in the last bits, since
// products and attention are tiled by the number of rows; alone, a seed repeats bit for bit.
#ifndef VIDEODIFFCR_MODEL_GPU_VIDEO_MODEL_H_
#define VIDEODIFFCR_MODEL_GPU_VIDEO_MODEL_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "model/api/video_model.h"
#include "model/gpu/precision.h"
#include "model/plain/model_parts.h"

namespace videodiffcr::gpu {

struct DeviceOptions {
  std::string precision = "bf16";  // "fp32", "bf16" or "fp8" (model/gpu/precision.h)
  // Slots for sessions, taken at once. 0: as many as fit into the device's free memory, at most 64.
  int sessions = 0;
  // Chunks are decoded as one launch (model/gpu/decoder/decode_graph.h) where the host is what decoding waits for,
  // which is the tiny model's decoder. Changes no bit of the video.
  bool decode_graph = true;
  // Frames leave as RGB, for whoever looks at them, where encoders would be given YUV 4:2:0.
  bool rgb_frames = false;
};

// The device before anything of the model is on it.
struct DeviceAtStart {
  DeviceOptions options;
  Precision precision = Precision::kBfloat16;
  int processors = 0;
  int64_t free_bytes = 0;
};

// Errors name the option or what the device lacks.
absl::StatusOr<DeviceAtStart> PrepareDevice(const DeviceOptions& options);

// Where the model's parts are wanted.
ModelPlacement PlacementFor(const DeviceAtStart& device);

// Takes the memory and runs two chunks at every budget, so that the first request is as fast as the hundredth. Torch's
// exceptions (no memory) go through.
absl::StatusOr<std::unique_ptr<VideoModel>> MakeVideoModel(ModelParts model, const DeviceAtStart& device);

}  // namespace videodiffcr::gpu

#endif  // VIDEODIFFCR_MODEL_GPU_VIDEO_MODEL_H_
