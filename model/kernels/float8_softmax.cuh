// Online softmax (Milakov and Gimelshein, arXiv 1805.02867) for 8-bit attention, in the place of FlashInfer's. A GPU at
// its power limit runs at the rate at which it gets rid of heat, so what an instruction less saves is clock for the
// products; per weight of the softmax this takes five where the template takes ten:
//
// * exponentials by the hardware's instruction alone; exp2f() guards numbers under 2^-126, which are no weights;
// * weights come out of the exponential as large as an 8-bit float holds, the factor is part of its argument;
// * a row's reference is not its largest logit so far but one that is at most kSlack below it: weights stay under 2 to
//   the kSlack times the reference's, so results so far are seldom scaled anew (FlashAttention-4, arXiv 2603.05451, has
//   the same idea). A row decides for itself: its result depends on no other row.
#ifndef VIDEODIFFCR_MODEL_KERNELS_FLOAT8_SOFTMAX_CUH_
#define VIDEODIFFCR_MODEL_KERNELS_FLOAT8_SOFTMAX_CUH_

#include <cuda_runtime.h>

#include <cmath>
#include <flashinfer/attention/hopper/utils.cuh>

namespace videodiffcr::kernels {

__device__ __forceinline__ float HardwareExp2(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

template <typename Operation>
__device__ __forceinline__ float ReduceOverQuad(float x, Operation operation) {  // the four lanes that share a row
  x = operation(x, __shfl_xor_sync(~0u, x, 2));
  return operation(x, __shfl_xor_sync(~0u, x, 1));
}

// What FlashInfer's main loop calls an attention updater, hence the names in snake case. Accumulators hold, per thread,
// `kRows` rows of a tile.
template <int kRows>
class Float8Softmax {
 public:
  static constexpr float fill_value = -INFINITY;  // of keys past the end
  using TensorT = decltype(cute::make_tensor<float>(cute::Shape<cute::Int<kRows>>{}));

  __device__ explicit Float8Softmax(float scale_log2) : scale_log2_(scale_log2) {}

  // Turns a tile's logits into weights, in place.
  template <bool init, typename Accumulators>
  __device__ __forceinline__ void update(Accumulators& accumulators) {
    auto logits = ByRow(accumulators);
    UpdateReferences<init>(logits);
    constexpr int kColumns = decltype(cute::size<1>(logits))::value;
#pragma unroll
    for (int row = 0; row < kRows; ++row) {
      const float shift = reference_(row) * scale_log2_ - kLog2Largest;
      float even = 0, odd = 0;  // two chains of sums
#pragma unroll
      for (int i = 0; i < kColumns; i += 2) {
        even += logits(row, i) = HardwareExp2(fmaf(logits(row, i), scale_log2_, -shift));
        odd += logits(row, i + 1) = HardwareExp2(fmaf(logits(row, i + 1), scale_log2_, -shift));
      }
      sum_(row) += even + odd;
    }
  }

  // Brings the results so far to the present references, or, after finalize(), divides them by the sums.
  template <typename Accumulators>
  __device__ __forceinline__ void rescale_o(Accumulators& accumulators) {
    if (!rescale_) return;  // the same for all lanes of a warp
    auto results = ByRow(accumulators);
#pragma unroll
    for (int row = 0; row < kRows; ++row) {
#pragma unroll
      for (int i = 0; i < decltype(cute::size<1>(results))::value; ++i) results(row, i) *= factor_(row);
    }
  }

  template <typename Accumulators>
  __device__ __forceinline__ void finalize(Accumulators&, float value_scale = 1.0f) {
#pragma unroll
    for (int row = 0; row < kRows; ++row) {
      const float sum = ReduceOverQuad(sum_(row), [](float a, float b) { return a + b; });
      factor_(row) = value_scale / sum;
      sum_(row) = reference_(row) * scale_log2_ - kLog2Largest + flashinfer::math::ptx_log2(sum);
    }
    rescale_ = true;
  }

  // After finalize(): log2 of the rows' softmax sums.
  __device__ __forceinline__ TensorT get_lse() const { return sum_; }

 private:
  static constexpr float kSlack = 1.0f;                       // log2
  static constexpr float kLog2Largest = 8.8073549f - kSlack;  // log2(448), less what a reference may be too small

  template <typename Accumulators>
  static __device__ __forceinline__ auto ByRow(Accumulators& accumulators) {
    return cute::make_tensor(accumulators.data(), flashinfer::convert_layout_acc_rowcol(accumulators.layout()));
  }

  template <bool init, typename Logits>
  __device__ __forceinline__ void UpdateReferences(const Logits& logits) {
    constexpr int kColumns = decltype(cute::size<1>(logits))::value;
    const auto larger = [](float a, float b) { return fmaxf(a, b); };
    bool grew = false;
#pragma unroll
    for (int row = 0; row < kRows; ++row) {
      float even = logits(row, 0), odd = logits(row, 1);
#pragma unroll
      for (int i = 2; i < kColumns; i += 2) {
        even = fmaxf(even, logits(row, i));
        odd = fmaxf(odd, logits(row, i + 1));
      }
      const float largest = ReduceOverQuad(fmaxf(even, odd), larger);
      if constexpr (init) {
        reference_(row) = largest;
        sum_(row) = 0;
        factor_(row) = 1;
      } else {
        const bool grows = (largest - reference_(row)) * scale_log2_ > kSlack;
        factor_(row) = grows ? HardwareExp2((reference_(row) - largest) * scale_log2_) : 1.0f;
        if (grows) reference_(row) = largest;
        sum_(row) *= factor_(row);
        grew |= grows;
      }
    }
    rescale_ = !init && __any_sync(~0u, grew);
  }

  TensorT reference_, sum_, factor_;
  float scale_log2_;
  bool rescale_ = false;
};

// softmax(Q K^T * sm_scale) for FlashInfer's 8-bit kernel, which asks its variant for all that it does to logits.
struct Float8Attention {
  float sm_scale_log2;
  static constexpr float scale_pv = 1.0f;

  template <typename MainloopParams, typename BlockCoord>
  __device__ Float8Attention(const MainloopParams& params, const BlockCoord&)
      : sm_scale_log2(params.additional_params.sm_scale * flashinfer::math::log2e) {}
  template <int kRowsPerThread>
  __device__ auto GetAttentionUpdater() {
    return Float8Softmax<kRowsPerThread>(sm_scale_log2);
  }
  template <typename MainloopParams, typename T>
  __device__ __forceinline__ T LogitsTransform(const MainloopParams&, T logit, uint32_t, uint32_t, uint32_t, uint32_t,
                                               uint32_t) {
    return logit;
  }
  template <typename Accumulators>
  __device__ __forceinline__ void PQuantize(Accumulators&) {}  // Float8Softmax scales them
  template <typename MainloopParams, typename Accumulators>
  __device__ __forceinline__ void ODequantize(const MainloopParams&, Accumulators&, uint32_t, uint32_t) {}
};

}  // namespace videodiffcr::kernels

#endif  // VIDEODIFFCR_MODEL_KERNELS_FLOAT8_SOFTMAX_CUH_
