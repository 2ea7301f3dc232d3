#include "model/gpu/frame_download.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>

namespace videodiffcr::gpu {

at::Tensor QueueRgb24(const at::Tensor& pixels) {
  const at::Tensor bytes = (pixels.clamp(0, 1) * 255.0 + 0.5).to(at::kByte).permute({0, 2, 3, 1}).contiguous();
  at::Tensor host = at::empty(bytes.sizes(), at::TensorOptions().dtype(at::kByte).pinned_memory(true));
  host.copy_(bytes, /*non_blocking=*/true);
  return host;
}

FrameChunk MakeRgb24Chunk(const at::Tensor& bytes) {
  FrameChunk chunk;
  chunk.format = PixelFormat::kRgb24;
  chunk.frame_count = static_cast<int>(bytes.size(0));
  chunk.height = static_cast<int>(bytes.size(1));
  chunk.width = static_cast<int>(bytes.size(2));
  const uint8_t* first = bytes.const_data_ptr<uint8_t>();
  chunk.pixels.assign(first, first + bytes.numel());
  return chunk;
}

}  // namespace videodiffcr::gpu
