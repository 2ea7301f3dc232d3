// Decoded frames from device memory to the host, as bytes that an encoder takes.
#ifndef VIDEODIFFCR_MODEL_GPU_DECODER_FRAME_DOWNLOAD_H_
#define VIDEODIFFCR_MODEL_GPU_DECODER_FRAME_DOWNLOAD_H_

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "model/api/frame_chunk.h"

namespace videodiffcr {

// Bytes on their way to the host: valid once the stream that they were queued on is there.
struct QueuedFrames {
  at::Tensor bytes;  // pinned, as FrameChunk packs them
  PixelFormat format = PixelFormat::kRgb24;
  int width = 0, height = 0, frame_count = 0;
};

// `pixels` [frames, 3, height, width] on a CUDA device, of any strides, fp32, bf16 or fp16, values in [0, 1]. Queues
// their conversion and the copy of the bytes (an eighth of fp32 for kYuv420p, a quarter for kRgb24) on the current
// stream; waits for nothing. Pinned buffers come from Torch's pool and go back to it, so there are as many as there are
// callers at a time, and none is allocated after the first chunk. InvalidArgument when the tensor is none of these or a
// side is odd for kYuv420p; Internal with CUDA's words when the device failed.
absl::StatusOr<QueuedFrames> QueueDownload(const at::Tensor& pixels, PixelFormat format);

// The chunk; call when the copy is done.
FrameChunk TakeFrames(const QueuedFrames& frames);

// Both, asleep in between until the current stream is there.
absl::StatusOr<FrameChunk> DownloadFrames(const at::Tensor& pixels, PixelFormat format);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_GPU_DECODER_FRAME_DOWNLOAD_H_
