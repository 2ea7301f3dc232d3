// Rotary tables and frames of the ring on a GPU against the plain reference.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include "model/kernels/key_window.h"
#include "tests/model/kernels/kernel_tensors.h"

namespace videodiffcr::kernels {
namespace {

TEST(KeyWindowTest, RotaryTablesEqualThePlainOnes) {
  for (const int head_dim : {12, 16, 64, 128}) {
    const RotaryShape shape = {head_dim, 3, 5};
    const int64_t values = 2 * 15 * head_dim / 2;
    const at::Tensor cos = Empty({values}, at::kFloat), sin = Empty({values}, at::kFloat);
    const at::Tensor want_cos = at::empty({values}), want_sin = at::empty({values});
    FillRotaryTable(shape, 1000, 2, MutableFloats(cos), MutableFloats(sin), TestStream());
    PlainFillRotaryTable(shape, 1000, 2, MutableFloats(want_cos), MutableFloats(want_sin));
    EXPECT_LE((cos.to(at::kCPU) - want_cos).abs().max().item<double>(), 1e-6);
    EXPECT_LE((sin.to(at::kCPU) - want_sin).abs().max().item<double>(), 1e-6);
  }
}

TEST(KeyWindowTest, FramesMoveAndTurnInEveryLayer) {
  const int layers = 2, heads = 2, head_dim = 8, width = heads * head_dim, rows = 20, frame_rows = 4;
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    const at::Tensor pool = at::randn({layers, rows, width}).to(type), gpu = OnGpu(pool);
    FrameTurns turns;
    turns.moves = {2, {8, 16}, {0, 4}, frame_rows};
    turns.position[0] = 2;
    turns.position[1] = 1;
    const at::Tensor moved = gpu.clone();
    MoveFrames(turns.moves, moved.const_data_ptr(), rows, moved.mutable_data_ptr(), rows, layers,
               width * static_cast<int64_t>(pool.element_size()), TestStream());
    const at::Tensor want_moved = pool.clone();
    PlainMoveFrames(turns.moves, pool.const_data_ptr(), rows, want_moved.mutable_data_ptr(), rows, layers,
                    width * static_cast<int64_t>(pool.element_size()));
    EXPECT_TRUE(moved.to(at::kCPU).equal(want_moved));

    const at::Tensor angle = at::randn({3 * frame_rows, head_dim / 2}), cos = angle.cos(), sin = angle.sin();
    const at::Tensor gpu_cos = OnGpu(cos), gpu_sin = OnGpu(sin), turned = gpu.clone();
    TurnFrames(turns, type == at::kFloat ? Element::kFloat32 : Element::kBfloat16, heads, head_dim, Floats(gpu_cos),
               Floats(gpu_sin), gpu.const_data_ptr(), rows, turned.mutable_data_ptr(), rows, layers, TestStream());
    const at::Tensor from = OnHost(pool), want = from.clone();
    PlainTurnFrames(turns, heads, head_dim, Floats(cos), Floats(sin), Floats(from), rows, MutableFloats(want), rows,
                    layers);
    EXPECT_LE(RelativeError(turned, want), type == at::kFloat ? 1e-6 : 5e-3);
  }
}

}  // namespace
}  // namespace videodiffcr::kernels
