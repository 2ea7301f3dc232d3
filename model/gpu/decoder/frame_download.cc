#include "model/gpu/decoder/frame_download.h"

#include <ATen/ops/empty.h>
#include <c10/core/DeviceGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "model/kernels/frame_conversion.h"

namespace videodiffcr {
namespace {

std::optional<kernels::Element> ElementOf(at::ScalarType dtype) {
  if (dtype == at::kFloat) return kernels::Element::kFloat32;
  if (dtype == at::kBFloat16) return kernels::Element::kBfloat16;
  if (dtype == at::kHalf) return kernels::Element::kFloat16;
  return std::nullopt;
}

absl::Status CheckPixels(const at::Tensor& pixels, PixelFormat format) {
  if (!pixels.defined() || !pixels.is_cuda() || pixels.dim() != 4 || pixels.size(1) != 3 || pixels.numel() == 0 ||
      !ElementOf(pixels.scalar_type())) {
    return absl::InvalidArgumentError("pixels: must be floating [frames, 3, height, width] on a CUDA device");
  }
  if (format == PixelFormat::kYuv420p && (pixels.size(2) % 2 != 0 || pixels.size(3) % 2 != 0)) {
    return absl::InvalidArgumentError(absl::StrCat("pixels: ", pixels.size(3), "x", pixels.size(2),
                                                   "; sides must be even for chroma of half the size"));
  }
  return absl::OkStatus();
}

absl::Status DeviceStatus(cudaError_t error) {
  if (error == cudaSuccess) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("copying frames from the device: ", cudaGetErrorString(error)));
}

// Sleeps until what the stream holds now is done.
cudaError_t WaitAsleep(cudaStream_t stream) {
  cudaEvent_t event;
  cudaError_t error = cudaEventCreateWithFlags(&event, cudaEventBlockingSync | cudaEventDisableTiming);
  if (error != cudaSuccess) return error;
  error = cudaEventRecord(event, stream);
  if (error == cudaSuccess) error = cudaEventSynchronize(event);
  cudaEventDestroy(event);
  return error;
}

}  // namespace

absl::StatusOr<QueuedFrames> QueueDownload(const at::Tensor& pixels, PixelFormat format) {
  if (absl::Status status = CheckPixels(pixels, format); !status.ok()) return status;
  const c10::DeviceGuard guard(pixels.device());
  const cudaStream_t stream = c10::cuda::getCurrentCUDAStream(pixels.device().index()).stream();
  kernels::FrameConversionCall call;
  call.element = *ElementOf(pixels.scalar_type());
  call.frames = static_cast<int>(pixels.size(0));
  call.height = static_cast<int>(pixels.size(2));
  call.width = static_cast<int>(pixels.size(3));
  call.pixels = pixels.const_data_ptr();
  call.frame_stride = pixels.stride(0);
  call.colour_stride = pixels.stride(1);
  call.row_stride = pixels.stride(2);
  call.column_stride = pixels.stride(3);
  const int64_t size = format == PixelFormat::kRgb24 ? pixels.numel() : pixels.numel() / 2;
  const at::Tensor bytes = at::empty({size}, at::TensorOptions().dtype(at::kByte).device(pixels.device()));
  call.bytes = bytes.mutable_data_ptr<uint8_t>();
  if (format == PixelFormat::kRgb24) {
    kernels::ToRgb24(call, stream);
  } else {
    kernels::ToYuv420p(call, stream);
  }
  if (absl::Status status = DeviceStatus(cudaGetLastError()); !status.ok()) return status;
  at::Tensor host = at::empty({size}, at::TensorOptions().dtype(at::kByte).pinned_memory(true));
  host.copy_(bytes, /*non_blocking=*/true);  // tells the pool when the buffer is free again
  return QueuedFrames{host, format, call.width, call.height, call.frames};
}

FrameChunk TakeFrames(const QueuedFrames& frames) {
  FrameChunk chunk;
  chunk.format = frames.format;
  chunk.width = frames.width;
  chunk.height = frames.height;
  chunk.frame_count = frames.frame_count;
  const uint8_t* first = frames.bytes.const_data_ptr<uint8_t>();
  chunk.pixels.assign(first, first + frames.bytes.numel());
  return chunk;
}

absl::StatusOr<FrameChunk> DownloadFrames(const at::Tensor& pixels, PixelFormat format) {
  const absl::StatusOr<QueuedFrames> frames = QueueDownload(pixels, format);
  if (!frames.ok()) return frames.status();
  const auto stream = c10::cuda::getCurrentCUDAStream(pixels.device().index());
  if (absl::Status status = DeviceStatus(WaitAsleep(stream.stream())); !status.ok()) return status;
  return TakeFrames(*frames);
}

}  // namespace videodiffcr
