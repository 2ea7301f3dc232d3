#include "model/cpu/winograd_conv.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace videodiffcr {
namespace {

#define VIDEODIFFCR_INLINE inline __attribute__((always_inline))

constexpr int64_t kTile = 4;                  // output pixels each way
constexpr int64_t kPatch = kTile + 2;         // input pixels each way
constexpr int64_t kPoints = kPatch * kPatch;  // products per tile, input and output channel
// Tiles transformed together: their values and products stay in the second-level cache. A multiple of every kRows
// below.
constexpr int64_t kBlockTiles = 36;

// Sixteen floats for processors with 512-bit vectors, eight for the others; memory need not be aligned.
typedef float Wide __attribute__((vector_size(64)));
typedef float Narrow __attribute__((vector_size(32)));

template <typename Vector>
constexpr int64_t kLanes = sizeof(Vector) / sizeof(float);

template <typename Vector>
VIDEODIFFCR_INLINE void Load(const float* from, Vector& to) {
  std::memcpy(&to, from, sizeof(to));
}
template <typename Vector>
VIDEODIFFCR_INLINE void Store(const Vector& from, float* to) {
  std::memcpy(to, &from, sizeof(from));
}

// All of one call, so that the functions below need few arguments.
struct Work {
  const WinogradConv::Call& call;
  int64_t in, out;
  const float* weight;
  const float* bias;
  const float* zeros;  // [in]
  float* patches;      // [36, kBlockTiles, in]
  float* products;     // [36, kBlockTiles, out]

  int64_t tile_columns() const { return (call.width + kTile - 1) / kTile; }
  int64_t tile_rows() const { return (call.height + kTile - 1) / kTile; }
  int64_t tiles() const { return call.frames * tile_rows() * tile_columns(); }
};

struct TilePlace {
  int64_t frame, row, column;  // of the tile's first output pixel
};

VIDEODIFFCR_INLINE TilePlace PlaceOf(const Work& work, int64_t tile) {
  const int64_t columns = work.tile_columns(), per_frame = work.tile_rows() * columns;
  return {tile / per_frame, tile % per_frame / columns * kTile, tile % columns * kTile};
}

// Where the 36 pixels under a tile lie in a frame of `channels`; pixels outside are zeros.
VIDEODIFFCR_INLINE void FindPixels(const Work& work, const TilePlace& place, const float* frame, int64_t channels,
                                   const float** pixels) {
  const int64_t shift = work.call.upsample ? 1 : 0;
  const int64_t width = work.call.width >> shift;
  for (int64_t i = 0; i < kPatch; ++i) {
    const int64_t row = place.row + i - 1;
    for (int64_t j = 0; j < kPatch; ++j) {
      const int64_t column = place.column + j - 1;
      const bool inside = row >= 0 && row < work.call.height && column >= 0 && column < work.call.width;
      pixels[i * kPatch + j] = inside ? frame + ((row >> shift) * width + (column >> shift)) * channels : work.zeros;
    }
  }
}

// B^T d: six values to six.
template <typename Vector>
VIDEODIFFCR_INLINE void TransformPatchLine(const Vector* d, int64_t stride, Vector* out, int64_t out_stride) {
  const Vector d0 = d[0], d1 = d[stride], d2 = d[2 * stride], d3 = d[3 * stride], d4 = d[4 * stride],
               d5 = d[5 * stride];
  out[0] = 4.0f * d0 - 5.0f * d2 + d4;
  out[out_stride] = d4 + d3 - 4.0f * (d2 + d1);
  out[2 * out_stride] = d4 - d3 - 4.0f * (d2 - d1);
  out[3 * out_stride] = d4 - d2 + 2.0f * (d3 - d1);
  out[4 * out_stride] = d4 - d2 - 2.0f * (d3 - d1);
  out[5 * out_stride] = 4.0f * d1 - 5.0f * d3 + d5;
}

// A^T m: six values to four.
template <typename Vector>
VIDEODIFFCR_INLINE void TransformProductLine(const Vector* m, int64_t stride, Vector* out, int64_t out_stride) {
  const Vector m0 = m[0], m1 = m[stride], m2 = m[2 * stride], m3 = m[3 * stride], m4 = m[4 * stride],
               m5 = m[5 * stride];
  const Vector even = m1 + m2, odd = m1 - m2, far_even = m3 + m4, far_odd = m3 - m4;
  out[0] = m0 + even + far_even;
  out[out_stride] = odd + 2.0f * far_odd;
  out[2 * out_stride] = even + 4.0f * far_even;
  out[3 * out_stride] = odd + 8.0f * far_odd + m5;
}

// B^T d B for `channels` channels of one tile; `patch`: where the tile's first value of these channels goes.
template <typename Vector>
VIDEODIFFCR_INLINE void TransformPatch(const float* const* pixels, int64_t channels, int64_t in, float* patch) {
  for (int64_t c = 0; c < channels; c += kLanes<Vector>) {
    Vector d[kPoints], t[kPoints];
    for (int64_t p = 0; p < kPoints; ++p) Load(pixels[p] + c, d[p]);
    for (int64_t j = 0; j < kPatch; ++j) TransformPatchLine(d + j, kPatch, t + j, kPatch);
    for (int64_t i = 0; i < kPatch; ++i) TransformPatchLine(t + i * kPatch, 1, d + i * kPatch, 1);
    for (int64_t p = 0; p < kPoints; ++p) Store(d[p], patch + p * kBlockTiles * in + c);
  }
}

template <typename Vector>
VIDEODIFFCR_INLINE void TransformTile(const Work& work, int64_t tile, float* patch) {
  const WinogradConv::Call& call = work.call;
  const TilePlace place = PlaceOf(work, tile);
  const int64_t channels = call.memory == nullptr ? work.in : work.in / 2;
  const int64_t frame_floats = (call.upsample ? call.height * call.width / 4 : call.height * call.width) * channels;
  const float* frame = call.input + place.frame * frame_floats;
  const float* pixels[kPoints];
  FindPixels(work, place, frame, channels, pixels);
  TransformPatch<Vector>(pixels, channels, work.in, patch);
  if (call.memory == nullptr) return;
  FindPixels(work, place, place.frame == 0 ? call.memory : frame - frame_floats, channels, pixels);
  TransformPatch<Vector>(pixels, channels, work.in, patch + channels);
}

// m[rows, kVectors lanes] = v[rows, in] u[in, kVectors lanes].
template <typename Vector, int kRows, int kVectors>
VIDEODIFFCR_INLINE void MultiplyRows(const float* v, const float* u, int64_t in, int64_t out, float* m) {
  Vector sum[kRows][kVectors] = {};
  for (int64_t k = 0; k < in; ++k) {
    Vector factor[kVectors];
#pragma GCC unroll 4
    for (int i = 0; i < kVectors; ++i) Load(u + k * out + i * kLanes<Vector>, factor[i]);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
      for (int i = 0; i < kVectors; ++i) sum[r][i] += v[r * in + k] * factor[i];
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int i = 0; i < kVectors; ++i) Store(sum[r][i], m + r * out + i * kLanes<Vector>);
  }
}

// All products of a block of tiles at one of the 36 points.
template <typename Vector, int kRows>
VIDEODIFFCR_INLINE void MultiplyPoint(const Work& work, int64_t tiles, int64_t point) {
  const float* u = work.weight + point * work.in * work.out;
  for (int64_t row = 0; row < tiles; row += kRows) {
    const float* v = work.patches + (point * kBlockTiles + row) * work.in;
    float* m = work.products + (point * kBlockTiles + row) * work.out;
    int64_t column = 0;
    for (; column + 2 * kLanes<Vector> <= work.out; column += 2 * kLanes<Vector>) {
      MultiplyRows<Vector, kRows, 2>(v, u + column, work.in, work.out, m + column);
    }
    for (; column < work.out; column += kLanes<Vector>) {
      MultiplyRows<Vector, kRows, 1>(v, u + column, work.in, work.out, m + column);
    }
  }
}

// A^T m A of one tile, then bias, residual and activation.
template <typename Vector>
VIDEODIFFCR_INLINE void FinishTile(const Work& work, int64_t tile, const float* products) {
  const WinogradConv::Call& call = work.call;
  const TilePlace place = PlaceOf(work, tile);
  const int64_t channels = work.out / call.output_frames;
  const int64_t rows = std::min(kTile, call.height - place.row), columns = std::min(kTile, call.width - place.column);
  for (int64_t c = 0; c < work.out; c += kLanes<Vector>) {
    Vector m[kPoints], t[kTile * kPatch], y[kTile * kTile], bias;
    for (int64_t p = 0; p < kPoints; ++p) Load(products + p * kBlockTiles * work.out + c, m[p]);
    for (int64_t j = 0; j < kPatch; ++j) TransformProductLine(m + j, kPatch, t + j, kPatch);
    for (int64_t i = 0; i < kTile; ++i) TransformProductLine(t + i * kPatch, 1, y + i * kTile, 1);
    Load(work.bias + c, bias);
    const int64_t frame = place.frame * call.output_frames + c / channels;
    for (int64_t i = 0; i < rows; ++i) {
      const int64_t first =
          ((frame * call.height + place.row + i) * call.width + place.column) * channels + c % channels;
      for (int64_t j = 0; j < columns; ++j) {
        Vector value = y[i * kTile + j] + bias;
        if (call.residual != nullptr) {
          Vector residual;
          Load(call.residual + first + j * channels, residual);
          value += residual;
        }
        if (call.relu) value = value > 0.0f ? value : Vector{};
        Store(value, call.output + first + j * channels);
      }
    }
  }
}

template <typename Vector, int kRows>
VIDEODIFFCR_INLINE void Convolve(const Work& work) {
  static_assert(kBlockTiles % kRows == 0);
  for (int64_t first = 0; first < work.tiles(); first += kBlockTiles) {
    const int64_t tiles = std::min(kBlockTiles, work.tiles() - first);
    for (int64_t i = 0; i < tiles; ++i) TransformTile<Vector>(work, first + i, work.patches + i * work.in);
    for (int64_t point = 0; point < kPoints; ++point) MultiplyPoint<Vector, kRows>(work, tiles, point);
    for (int64_t i = 0; i < tiles; ++i) FinishTile<Vector>(work, first + i, work.products + i * work.out);
  }
}

#if defined(__x86_64__)
__attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,avx2,fma"))) void ConvolveAvx512(const Work& work) {
  Convolve<Wide, 12>(work);
}
__attribute__((target("avx2,fma"))) void ConvolveAvx2(const Work& work) { Convolve<Narrow, 6>(work); }
#endif
void ConvolvePortable(const Work& work) { Convolve<Narrow, 2>(work); }

using Convolution = void (*)(const Work&);

Convolution FastestConvolution() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq")) {
    return ConvolveAvx512;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return ConvolveAvx2;
#endif
  return ConvolvePortable;
}

// G g G^T of one 3x3 kernel, in double: six by six.
std::array<double, kPoints> TransformKernel(const float* kernel) {
  constexpr double kG[kPatch][3] = {{1.0 / 4, 0, 0},
                                    {-1.0 / 6, -1.0 / 6, -1.0 / 6},
                                    {-1.0 / 6, 1.0 / 6, -1.0 / 6},
                                    {1.0 / 24, 1.0 / 12, 1.0 / 6},
                                    {1.0 / 24, -1.0 / 12, 1.0 / 6},
                                    {0, 0, 1}};
  std::array<double, kPoints> transformed{};
  for (int64_t i = 0; i < kPatch; ++i) {
    for (int64_t j = 0; j < kPatch; ++j) {
      for (int64_t a = 0; a < 3; ++a) {
        for (int64_t b = 0; b < 3; ++b) transformed[i * kPatch + j] += kG[i][a] * kernel[a * 3 + b] * kG[j][b];
      }
    }
  }
  return transformed;
}

int64_t RoundUp(int64_t value, int64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

}  // namespace

WinogradConv::WinogradConv(const at::Tensor& weight, const at::Tensor& bias)
    : in_(weight.size(1)), out_(RoundUp(weight.size(0), kChannelGroup)) {
  TORCH_CHECK(in_ % kChannelGroup == 0, "input channels: ", in_, "; must be a multiple of ", kChannelGroup);
  const at::Tensor kernels = weight.contiguous();
  const float* kernel = kernels.const_data_ptr<float>();
  weight_.resize(static_cast<size_t>(kPoints * in_ * out_));
  for (int64_t o = 0; o < weight.size(0); ++o) {
    for (int64_t i = 0; i < in_; ++i) {
      const std::array<double, kPoints> points = TransformKernel(kernel + (o * in_ + i) * 9);
      for (int64_t p = 0; p < kPoints; ++p) weight_[(p * in_ + i) * out_ + o] = static_cast<float>(points[p]);
    }
  }
  bias_.resize(static_cast<size_t>(out_));
  if (bias.defined()) std::memcpy(bias_.data(), bias.contiguous().const_data_ptr<float>(), bias.nbytes());
}

int64_t WinogradConv::scratch_floats() const { return in_ + kPoints * kBlockTiles * (in_ + out_); }

void WinogradConv::Run(const Call& call, float* scratch) const {
  static const Convolution convolution = FastestConvolution();
  float* zeros = scratch;
  float* patches = zeros + in_;
  float* products = patches + kPoints * kBlockTiles * in_;
  std::fill_n(zeros, in_, 0.0f);
  // The last block may have fewer tiles than rows are multiplied together; those rows are computed and thrown away.
  std::fill_n(patches, kPoints * kBlockTiles * in_, 0.0f);
  convolution({call, in_, out_, weight_.data(), bias_.data(), zeros, patches, products});
}

}  // namespace videodiffcr
