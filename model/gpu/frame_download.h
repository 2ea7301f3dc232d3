// From decoded frames on the device to bytes on the host.
#ifndef VIDEODIFFCR_MODEL_GPU_FRAME_DOWNLOAD_H_
#define VIDEODIFFCR_MODEL_GPU_FRAME_DOWNLOAD_H_

#include <ATen/core/Tensor.h>

#include "model/api/frame_chunk.h"

namespace videodiffcr::gpu {

// Queues the conversion of pixels [frames, 3, height, width] in [0, 1] to interleaved bytes, rounded to nearest, and
// their copy into pinned memory, on the current stream: uint8 [frames, height, width, 3] on the host, valid once the
// stream is there.
at::Tensor QueueRgb24(const at::Tensor& pixels);

// The bytes as a chunk; call when the copy is done.
FrameChunk MakeRgb24Chunk(const at::Tensor& bytes);

}  // namespace videodiffcr::gpu

#endif  // VIDEODIFFCR_MODEL_GPU_FRAME_DOWNLOAD_H_
