// One instance of CUTLASS's implicit-GEMM convolution per element type and tile. Only .cu files include this; each
// instance takes nvcc most of a minute, hence one file per tile.
#ifndef VIDEODIFFCR_MODEL_KERNELS_CAUSAL_CONV_TILE_CUH_
#define VIDEODIFFCR_MODEL_KERNELS_CAUSAL_CONV_TILE_CUH_

// First: CUTLASS's convolution headers use it without including it.
#include <cutlass/kernel_hardware_info.hpp>

#include <cutlass/conv/convolution.h>
#include <cutlass/cutlass.h>
#include <cutlass/epilogue/thread/activation.h>
#include <cute/tensor.hpp>
#include <cutlass/conv/collective/collective_builder.hpp>
#include <cutlass/conv/convnd_problem_shape.hpp>
#include <cutlass/conv/device/conv_universal_adapter.hpp>
#include <cutlass/conv/dispatch_policy.hpp>
#include <cutlass/conv/kernel/conv_universal.hpp>
#include <cutlass/epilogue/collective/collective_builder.hpp>
#include <cutlass/epilogue/fusion/operations.hpp>

#include "model/kernels/causal_conv.h"

namespace videodiffcr::kernels {

// kPositions and kTileChannels: what a tile covers; kDepth: input channels per step; kStages: steps in flight (0: as
// many as shared memory holds); kBlocks: tiles that share a multiprocessor, one multiplying while another begins or
// ends.
template <typename T, int kPositions, int kTileChannels, int kDepth, int kStages, int kBlocks>
struct CausalConvTile {
  using Channels = cutlass::layout::TensorNDHWC;
  using Cluster = cute::Shape<cute::_1, cute::_1, cute::_1>;
  using Fusion = cutlass::epilogue::fusion::LinCombPerColBiasEltAct<cutlass::epilogue::thread::LeakyReLU, T, float,
                                                                    float, T, float>;
  using Epilogue = typename cutlass::epilogue::collective::CollectiveBuilder<
      cutlass::arch::Sm90, cutlass::arch::OpClassTensorOp,
      cute::Shape<cute::Int<kPositions>, cute::Int<kTileChannels>, cute::Int<kDepth>>, Cluster,
      cutlass::epilogue::collective::EpilogueTileAuto, float, float, T, Channels, 8, T, Channels, 8,
      cutlass::epilogue::TmaWarpSpecialized, Fusion>::CollectiveOp;
  using Stages = std::conditional_t<
      kStages == 0,
      cutlass::conv::collective::StageCountAutoCarveout<static_cast<int>(sizeof(typename Epilogue::SharedStorage))>,
      cutlass::conv::collective::StageCount<kStages>>;
  using Mainloop = typename cutlass::conv::collective::CollectiveBuilder<
      cutlass::arch::Sm90, cutlass::arch::OpClassTensorOp, cutlass::conv::Operator::kFprop, T, Channels, 8, T, Channels,
      8, float, cute::Shape<cute::Int<kPositions>, cute::Int<kTileChannels>, cute::Shape<cute::Int<kDepth>>>, Cluster,
      Stages, cutlass::conv::KernelImplicitTmaWarpSpecializedSm90>::CollectiveOp;
  using Problem = cutlass::conv::ConvProblemShape<cutlass::conv::Operator::kFprop, 3>;
  struct Kernel : cutlass::conv::kernel::ConvUniversal<Problem, Mainloop, Epilogue> {
    static constexpr uint32_t MinBlocksPerMultiprocessor = kBlocks;
  };
  using Conv = cutlass::conv::device::ConvUniversalAdapter<Kernel>;
  static_assert(kBlocks * (sizeof(typename Kernel::SharedStorage) + 1024) <= 228 * 1024,
                "tiles cannot share the memory");

  static bool Launch(const CausalConvCall& call, Stream stream) {
    const Problem problem(
        cutlass::conv::Mode::kCrossCorrelation, {1, call.frames, call.height, call.width, call.in_channels},
        {call.out_channels, call.kernel_frames, call.kernel_rows, call.kernel_columns, call.in_channels},
        {0, call.pad_rows, call.pad_columns},
        {0, call.out_height + call.kernel_rows - 1 - call.height - call.pad_rows,
         call.out_width + call.kernel_columns - 1 - call.width - call.pad_columns},
        {1, 1, 1}, {1, 1, 1}, /*groups=*/1);
    typename Epilogue::StrideD strides{};
    cute::get<0, 0>(strides) = call.column_stride;
    cute::get<0, 1>(strides) = call.row_stride;
    cute::get<0, 2>(strides) = call.frame_stride;
    cute::get<0, 3>(strides) = call.frame_stride * call.out_frames();
    typename Conv::Arguments arguments{
        problem,
        {static_cast<const T*>(call.input), static_cast<const T*>(call.weight)},
        {{}, static_cast<const T*>(call.residual), strides, static_cast<T*>(call.output), strides}};
    arguments.epilogue.thread.alpha = 1.0f;
    arguments.epilogue.thread.beta = call.residual == nullptr ? 0.0f : 1.0f;
    arguments.epilogue.thread.bias_ptr = call.bias;
    arguments.epilogue.thread.activation.leaky_alpha = call.relu ? 0.0f : 1.0f;  // 1: the identity
    Conv conv;
    if (Conv::can_implement(arguments) != cutlass::Status::kSuccess) return false;
    if (conv.initialize(arguments, /*workspace=*/nullptr, stream) != cutlass::Status::kSuccess) return false;
    return conv.run(stream) == cutlass::Status::kSuccess;
  }
};

}  // namespace videodiffcr::kernels

#endif  // VIDEODIFFCR_MODEL_KERNELS_CAUSAL_CONV_TILE_CUH_
