// FlashInfer's Hopper attention with our own placing of work: each item names its rows, its keys and, apart from them,
// the rows of its result, so that the parts of a cut tile do not overwrite each other. Only .cu files include this;
// each instance takes nvcc more than a minute, hence one file per instance.
#ifndef VIDEODIFFCR_MODEL_KERNELS_HOPPER_ATTENTION_CUH_
#define VIDEODIFFCR_MODEL_KERNELS_HOPPER_ATTENTION_CUH_

#include <cuda_runtime.h>

#include <cmath>
#include <flashinfer/attention/hopper/prefill_sm90.cuh>
#include <flashinfer/attention/hopper/quantization/prefill_sm90.cuh>

#include "model/kernels/ragged_attention.h"

namespace videodiffcr::kernels {

struct HopperExtraParams {
  float sm_scale;
  const float* last_key_bias;
  int keys_per_bias;
};

// Softmax scaling as in flashinfer::StandardAttention, and ln(count) on the last key.
struct TextAttention {
  float sm_scale_log2, scale_pv = 1.0f;
  float bias;  // in units of the unscaled logit
  int last_key;

  template <typename MainloopParams, typename BlockCoord>
  __device__ TextAttention(const MainloopParams& params, const BlockCoord& block_coord) {
    const auto& extra = params.additional_params;
    sm_scale_log2 = extra.sm_scale * flashinfer::math::log2e;
    bias = extra.last_key_bias[cute::get<4>(block_coord) / extra.keys_per_bias] / extra.sm_scale;
    last_key = cute::get<6>(block_coord) - 1;
  }
  template <int kRowsPerThread>
  __device__ auto GetAttentionUpdater() {
    return flashinfer::OnlineSoftmax<kRowsPerThread, /*WITH_SCALE=*/true>(sm_scale_log2);
  }
  template <typename MainloopParams, typename T>
  __device__ __forceinline__ T LogitsTransform(const MainloopParams&, T logit, uint32_t, uint32_t, uint32_t key,
                                               uint32_t, uint32_t) {
    return static_cast<int>(key) == last_key ? logit + bias : logit;
  }
};

// Stores where the item says instead of where its queries came from; the scheduler hands the row on as batch number.
template <typename Base>
struct PlacedEpilogue : Base {
  template <typename Params, typename Fragment, typename LogSums, typename SharedStorage, typename TiledMma,
            typename BlockCoord>
  CUTLASS_DEVICE void store(const Params& params, const Fragment& out, const LogSums& log_sums, SharedStorage& storage,
                            TiledMma tiled_mma, int thread, const BlockCoord& coord) {
    using cute::get;
    Base::store(params, out, log_sums, storage, tiled_mma, thread,
                cute::make_tuple(get<0>(coord), get<1>(coord), get<2>(coord), get<7>(coord), get<4>(coord),
                                 get<5>(coord), get<6>(coord), 0));
  }
};

template <typename Traits, typename Mainloop, typename Epilogue, typename Scheduler, bool kIsFloat8>
const void* HopperKernel() {
  if constexpr (kIsFloat8) {
    return reinterpret_cast<const void*>(
        flashinfer::FP8PrefillWithKVCacheKernel<Mainloop, Epilogue, Traits, false, false, Scheduler>);
  } else {
    return reinterpret_cast<const void*>(
        flashinfer::PrefillWithKVCacheKernel<Mainloop, Epilogue, Traits, false, false, Scheduler>);
  }
}

template <typename Traits, typename Mainloop, typename BaseEpilogue, bool kIsFloat8>
void LaunchHopperAttention(const AttentionCall& call, const DeviceAttentionPlan& plan, Stream stream) {
  using Scheduler = flashinfer::BatchPrefillPersistentTileScheduler<int32_t>;
  using Epilogue = PlacedEpilogue<BaseEpilogue>;
  const int64_t width = static_cast<int64_t>(call.heads) * call.head_dim;
  // The plan bounds every store, so the output layout may claim more rows than the queries have.
  const auto layout = [&](int64_t rows) {
    return flashinfer::get_gmem_layout(static_cast<int>(rows), call.heads, call.head_dim, width, call.head_dim);
  };
  const HopperExtraParams extra{1.0f / std::sqrt(static_cast<float>(call.head_dim)), call.last_key_bias,
                                call.keys_per_bias};
  typename Mainloop::Params mainloop = Mainloop::to_underlying_arguments(
      {static_cast<typename Traits::DTypeQ const*>(call.queries), layout(call.query_rows),
       static_cast<typename Traits::DTypeKV const*>(call.keys), layout(call.key_rows),
       static_cast<typename Traits::DTypeKV const*>(call.values), layout(call.key_rows), /*window_left=*/-1, extra});
  constexpr int kAllRows = 1 << 30;
  typename Epilogue::Params epilogue =
      Epilogue::to_underlying_arguments({static_cast<typename Traits::DTypeO*>(call.out), layout(kAllRows),
                                         call.log_sums, flashinfer::get_lse_gmem_layout(kAllRows, call.heads)});
  int32_t* words = const_cast<int32_t*>(plan.words);  // the scheduler only reads them
  int32_t* field = words + plan.processors + 1;
  const int n = plan.items;
  typename Scheduler::Params schedule = Scheduler::to_underlying_arguments(
      {/*work_indptr=*/words, /*head_indices=*/field, /*qo_tile_indices=*/field + 6 * n, /*qo_indptr=*/field + n,
       /*kv_indptr=*/field + 3 * n, /*qo_lens=*/field + 2 * n, /*kv_lens=*/field + 4 * n,
       /*batch_indices=*/field + 5 * n, cutlass::FastDivmod(1), call.heads});
  const void* kernel = HopperKernel<Traits, Mainloop, Epilogue, Scheduler, kIsFloat8>();
  constexpr int kSharedBytes = sizeof(typename Traits::SharedStorage);
  static const cudaError_t enlarged =
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kSharedBytes);
  if (enlarged != cudaSuccess) return;  // stays in CUDA's error state
  void* arguments[] = {&mainloop, &epilogue, &schedule};
  cudaLaunchKernel(kernel, dim3(plan.processors), dim3(Traits::NUM_WARPS * 32), arguments, kSharedBytes, stream);
}

template <int kHeadDim, int kQueryTile, int kKeyTile, typename Variant>
void LaunchBfloat16(const AttentionCall& call, const DeviceAttentionPlan& plan, Stream stream) {
  using T = cutlass::bfloat16_t;
  using Traits =
      flashinfer::AttentionKernelTraits<true, kHeadDim, kHeadDim, kQueryTile, kKeyTile, 2, T, T, T, int32_t, Variant>;
  LaunchHopperAttention<Traits, flashinfer::CollectiveMainloop<HopperExtraParams, Traits, false>,
                        flashinfer::CollectiveEpilogue<Traits>, false>(call, plan, stream);
}

// One instance each, in files of their own.
void RunBfloat16Dim128(const AttentionCall& call, const DeviceAttentionPlan& plan, Stream stream);
void RunBfloat16Dim64(const AttentionCall& call, const DeviceAttentionPlan& plan, Stream stream);
void RunTextDim128(const AttentionCall& call, const DeviceAttentionPlan& plan, Stream stream);
void RunTextDim64(const AttentionCall& call, const DeviceAttentionPlan& plan, Stream stream);
void RunFloat8Dim128(const AttentionCall& call, const DeviceAttentionPlan& plan, Stream stream);

}  // namespace videodiffcr::kernels

#endif  // VIDEODIFFCR_MODEL_KERNELS_HOPPER_ATTENTION_CUH_
