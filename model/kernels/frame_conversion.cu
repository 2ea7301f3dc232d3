#include "model/kernels/frame_conversion.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include "model/kernels/colour_matrix.h"

namespace videodiffcr::kernels {
namespace {

constexpr int kColumns = 32, kRows = 8;  // places of a block

template <typename T>
__device__ __forceinline__ Colour PixelAt(const FrameConversionCall& call, int frame, int row, int column) {
  const T* at = static_cast<const T*>(call.pixels) + frame * call.frame_stride + row * call.row_stride +
                column * call.column_stride;
  return {__saturatef(static_cast<float>(at[0])), __saturatef(static_cast<float>(at[call.colour_stride])),
          __saturatef(static_cast<float>(at[2 * call.colour_stride]))};
}

__device__ __forceinline__ uint8_t Rounded(float level) { return static_cast<uint8_t>(level + 0.5f); }

template <typename T>
__global__ void __launch_bounds__(kColumns* kRows) Rgb24Pixels(FrameConversionCall call) {
  const int column = static_cast<int>(blockIdx.x * kColumns + threadIdx.x);
  const int row = static_cast<int>(blockIdx.y * kRows + threadIdx.y);
  const int frame = static_cast<int>(blockIdx.z);
  if (column >= call.width || row >= call.height) return;
  const Colour pixel = PixelAt<T>(call, frame, row, column);
  uint8_t* out = call.bytes + 3 * ((int64_t{frame} * call.height + row) * call.width + column);
  out[0] = Rounded(255.0f * pixel.red);
  out[1] = Rounded(255.0f * pixel.green);
  out[2] = Rounded(255.0f * pixel.blue);
}

// A thread makes one value of each chroma plane and the four of luma under it.
template <typename T>
__global__ void __launch_bounds__(kColumns* kRows) Yuv420pSquares(FrameConversionCall call) {
  const int column = static_cast<int>(blockIdx.x * kColumns + threadIdx.x);
  const int row = static_cast<int>(blockIdx.y * kRows + threadIdx.y);
  const int frame = static_cast<int>(blockIdx.z);
  if (column >= call.width / 2 || row >= call.height / 2) return;
  const int64_t plane = int64_t{call.height} * call.width;
  uint8_t* luma = call.bytes + frame * (plane + plane / 2);
  Colour mean;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int y = min(max(2 * row - 1 + i, 0), call.height - 1);
    const float weight = 0.5f * ChromaRowWeight(i);
#pragma unroll
    for (int j = 0; j < 2; ++j) {
      const int x = 2 * column + j;
      const Colour pixel = PixelAt<T>(call, frame, y, x);
      mean.red += weight * pixel.red;
      mean.green += weight * pixel.green;
      mean.blue += weight * pixel.blue;
      if (i == 1 || i == 2) luma[int64_t{y} * call.width + x] = Rounded(LumaOf(pixel));
    }
  }
  uint8_t* blue_difference = luma + plane + int64_t{row} * (call.width / 2) + column;
  blue_difference[0] = Rounded(BlueDifferenceOf(mean));
  blue_difference[plane / 4] = Rounded(RedDifferenceOf(mean));
}

// One thread for every `square` x `square` pixels.
template <typename Kernel>
void Launch(const FrameConversionCall& call, int square, Kernel kernel, Stream stream) {
  const int columns = call.width / square, rows = call.height / square;
  const dim3 blocks((columns + kColumns - 1) / kColumns, (rows + kRows - 1) / kRows, call.frames);
  kernel<<<blocks, dim3(kColumns, kRows), 0, stream>>>(call);
}

}  // namespace

void ToRgb24(const FrameConversionCall& call, Stream stream) {
  if (call.element == Element::kFloat32) return Launch(call, 1, Rgb24Pixels<float>, stream);
  if (call.element == Element::kFloat16) return Launch(call, 1, Rgb24Pixels<__half>, stream);
  Launch(call, 1, Rgb24Pixels<__nv_bfloat16>, stream);
}

void ToYuv420p(const FrameConversionCall& call, Stream stream) {
  if (call.element == Element::kFloat32) return Launch(call, 2, Yuv420pSquares<float>, stream);
  if (call.element == Element::kFloat16) return Launch(call, 2, Yuv420pSquares<__half>, stream);
  Launch(call, 2, Yuv420pSquares<__nv_bfloat16>, stream);
}

}  // namespace videodiffcr::kernels
