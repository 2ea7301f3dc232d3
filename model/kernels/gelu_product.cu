#include "model/kernels/gelu_product.h"

#include <cuda_runtime.h>

#include <cutlass/cutlass.h>
#include <cutlass/gemm/device/gemm_universal_adapter.h>
#include <cutlass/numeric_types.h>
#include <cute/tensor.hpp>
#include <cutlass/epilogue/collective/collective_builder.hpp>
#include <cutlass/epilogue/fusion/sm90_callbacks_tma_warpspecialized.hpp>
#include <cutlass/gemm/collective/collective_builder.hpp>
#include <cutlass/gemm/kernel/gemm_universal.hpp>
#include <cutlass/kernel_hardware_info.hpp>
#include <cutlass/util/packed_stride.hpp>

namespace videodiffcr::kernels {
namespace {

namespace fusion = cutlass::epilogue::fusion;
using Float8 = cutlass::float_e4m3_t;
using RowMajor = cutlass::layout::RowMajor;

// What CUTLASS applies to a piece of the accumulators. The hardware's tanh: its error of 2^-11 is far below the 2^-4 of
// the result's type.
template <typename Values>
struct ShrunkGelu {};
template <int kValues>
struct ShrunkGelu<cutlass::Array<float, kValues>> {
  using Values = cutlass::Array<float, kValues>;
  CUTLASS_DEVICE Values operator()(const Values& sum, const Values& row_scale, const Values& column_scale,
                                   const Values& bias, const Values& shrink) const {
    Values result;
#pragma unroll
    for (int i = 0; i < kValues; ++i) {
      const float x = fmaf(sum[i] * row_scale[i], column_scale[i], bias[i]);
      const float u = x * fmaf(0.7978845608f * 0.044715f * x, x, 0.7978845608f);
      float tanh_u;
      asm("tanh.approx.f32 %0, %1;" : "=f"(tanh_u) : "f"(u));
      const float half = 0.5f * shrink[i] * x;
      result[i] = fmaf(half, tanh_u, half);
    }
    return result;
  }
};

// Two groups of warps take tiles in turn, so that one multiplies while the other is at its GELU. The best of five tiles
// at 3276, 4680 and 9360 rows (docs/experiments.md, "GELU in the product").
using Tile = cute::Shape<cute::_64, cute::_256, cute::_128>;
using Cluster = cute::Shape<cute::_2, cute::_1, cute::_1>;
using OfRow = fusion::Sm90ColBroadcast<0, Tile, float, float, cute::Stride<cute::_1, cute::_0, cute::_0>>;
template <typename T>
using OfColumn = fusion::Sm90RowBroadcast<0, Tile, T, float, cute::Stride<cute::_0, cute::_1, cute::_0>>;
using Fusion =
    fusion::Sm90EVT<fusion::Sm90Compute<ShrunkGelu, Float8, float, cutlass::FloatRoundStyle::round_to_nearest>,
                    fusion::Sm90AccFetch, OfRow, OfColumn<float>, OfColumn<cutlass::bfloat16_t>, OfRow>;
using Epilogue = typename cutlass::epilogue::collective::CollectiveBuilder<
    cutlass::arch::Sm90, cutlass::arch::OpClassTensorOp, Tile, Cluster, cutlass::epilogue::collective::EpilogueTileAuto,
    float, float, void, RowMajor, 16, Float8, RowMajor, 16, cutlass::epilogue::TmaWarpSpecialized,
    Fusion>::CollectiveOp;
using Mainloop = typename cutlass::gemm::collective::CollectiveBuilder<
    cutlass::arch::Sm90, cutlass::arch::OpClassTensorOp, Float8, RowMajor, 16, Float8, cutlass::layout::ColumnMajor, 16,
    float, Tile, Cluster,
    cutlass::gemm::collective::StageCountAutoCarveout<static_cast<int>(sizeof(typename Epilogue::SharedStorage))>,
    cutlass::gemm::KernelTmaWarpSpecializedPingpongFP8FastAccum>::CollectiveOp;
// A name that a trace can show: the template's own has two thousand letters.
struct GeluProductKernel : cutlass::gemm::kernel::GemmUniversal<cute::Shape<int, int, int, int>, Mainloop, Epilogue> {};
using Gemm = cutlass::gemm::device::GemmUniversalAdapter<GeluProductKernel>;

cutlass::KernelHardwareInfo Hardware() {
  cutlass::KernelHardwareInfo hardware;
  cudaGetDevice(&hardware.device_id);
  cudaDeviceGetAttribute(&hardware.sm_count, cudaDevAttrMultiProcessorCount, hardware.device_id);
  return hardware;
}

Gemm::Arguments ArgumentsOf(const GeluProductCall& call) {
  Gemm::Arguments arguments{};
  arguments.mode = cutlass::gemm::GemmUniversalMode::kGemm;
  arguments.problem_shape = {call.rows, call.out, call.in, 1};
  arguments.mainloop.ptr_A = static_cast<const Float8*>(call.x);
  arguments.mainloop.dA =
      cutlass::make_cute_packed_stride(typename GeluProductKernel::StrideA{}, cute::make_shape(call.rows, call.in, 1));
  arguments.mainloop.ptr_B = static_cast<const Float8*>(call.weight);
  arguments.mainloop.dB =
      cutlass::make_cute_packed_stride(typename GeluProductKernel::StrideB{}, cute::make_shape(call.out, call.in, 1));
  arguments.epilogue.thread = {
      {}, {call.row_scale}, {call.column_scale}, {static_cast<const cutlass::bfloat16_t*>(call.bias)}, {call.shrink},
      {}};
  arguments.epilogue.ptr_D = static_cast<Float8*>(call.result);
  arguments.epilogue.dD =
      cutlass::make_cute_packed_stride(typename GeluProductKernel::StrideD{}, cute::make_shape(call.rows, call.out, 1));
  arguments.hw_info = Hardware();
  return arguments;
}

}  // namespace

bool GeluProduct(const GeluProductCall& call, Stream stream) {
  const Gemm::Arguments arguments = ArgumentsOf(call);
  Gemm gemm;
  if (Gemm::can_implement(arguments) != cutlass::Status::kSuccess) return false;
  if (gemm.initialize(arguments, /*workspace=*/nullptr, stream) != cutlass::Status::kSuccess) return false;
  return gemm.run(stream) == cutlass::Status::kSuccess;
}

}  // namespace videodiffcr::kernels
