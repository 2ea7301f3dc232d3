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
    FillRotaryTable({shape, 1000, 2, MutableFloats(cos), MutableFloats(sin)}, TestStream());
    PlainFillRotaryTable({shape, 1000, 2, MutableFloats(want_cos), MutableFloats(want_sin)});
    EXPECT_LE((cos.to(at::kCPU) - want_cos).abs().max().item<double>(), 1e-6);
    EXPECT_LE((sin.to(at::kCPU) - want_sin).abs().max().item<double>(), 1e-6);
  }
}

TEST(KeyWindowTest, FramesMoveAndTurnInEveryLayer) {
  const int layers = 2, heads = 2, head_dim = 8, width = heads * head_dim, rows = 20, frame_rows = 4;
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    const at::Tensor pool = at::randn({layers, rows, width}).to(type), gpu = OnGpu(pool);
    const FrameMoves moves = {2, {8, 16}, {0, 4}, frame_rows};
    const int64_t row_bytes = width * static_cast<int64_t>(pool.element_size());
    const auto pools = [&](const at::Tensor& from, const at::Tensor& to) {
      return FramePools{from.const_data_ptr(), rows, to.mutable_data_ptr(), rows, layers};
    };
    const at::Tensor moved = gpu.clone(), want_moved = pool.clone();
    MoveFrames({moves, pools(moved, moved), row_bytes}, TestStream());
    PlainMoveFrames({moves, pools(pool, want_moved), row_bytes});
    EXPECT_TRUE(moved.to(at::kCPU).equal(want_moved));

    const at::Tensor angle = at::randn({3 * frame_rows, head_dim / 2}), cos = angle.cos(), sin = angle.sin();
    const at::Tensor gpu_cos = OnGpu(cos), gpu_sin = OnGpu(sin), turned = gpu.clone();
    const Element element = type == at::kFloat ? Element::kFloat32 : Element::kBfloat16;
    TurnFrames({moves, {2, 1}, pools(gpu, turned), element, heads, head_dim, Floats(gpu_cos), Floats(gpu_sin)},
               TestStream());
    const at::Tensor from = OnHost(pool), want = from.clone();
    PlainTurnFrames({moves, {2, 1}, pools(from, want), Element::kFloat32, heads, head_dim, Floats(cos), Floats(sin)});
    EXPECT_LE(RelativeError(turned, want), type == at::kFloat ? 1e-6 : 5e-3);
  }
}

}  // namespace
}  // namespace videodiffcr::kernels
