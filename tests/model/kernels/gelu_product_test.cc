// The 8-bit product with GELU on a GPU against the plain reference.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include <cmath>

#include "model/kernels/gelu_product.h"
#include "tests/model/kernels/kernel_tensors.h"

namespace videodiffcr::kernels {
namespace {

// Operands as a layer has them: 8-bit values with scales that make them of about one's size.
struct Operands {
  Operands(int rows, int in, int out)
      : x(at::randn({rows, in}).to(at::kFloat8_e4m3fn)),
        weight(at::randn({out, in}).to(at::kFloat8_e4m3fn)),
        row_scale(at::rand({rows}) + 0.5),
        column_scale((at::rand({out}) + 0.5) / std::sqrt(static_cast<double>(in))),
        bias(at::randn({out}).to(at::kBFloat16)),
        shrink(at::rand({rows}) * 16 + 16) {}

  GeluProductCall Call(const at::Tensor& result) const {
    GeluProductCall call;
    call.rows = static_cast<int>(x.size(0));
    call.in = static_cast<int>(x.size(1));
    call.out = static_cast<int>(weight.size(0));
    call.x = x.const_data_ptr();
    call.row_scale = Floats(row_scale);
    call.weight = weight.const_data_ptr();
    call.column_scale = Floats(column_scale);
    call.bias = bias.const_data_ptr();
    call.shrink = Floats(shrink);
    call.result = result.mutable_data_ptr();
    return call;
  }

  // A copy of each where and in the type that `move` (tensor) makes it.
  template <typename Move>
  Operands Moved(const Move& move) const {
    Operands moved = *this;
    for (at::Tensor* tensor :
         {&moved.x, &moved.weight, &moved.row_scale, &moved.column_scale, &moved.bias, &moved.shrink}) {
      *tensor = move(*tensor);
    }
    return moved;
  }

  at::Tensor x, weight, row_scale, column_scale, bias, shrink;
};

at::Tensor PlainResult(const Operands& operands) {
  const at::Tensor result = at::empty({operands.x.size(0), operands.weight.size(0)});
  PlainGeluProduct(operands.Moved(OnHost).Call(result));
  return result;
}

TEST(GeluProductTest, GeluProductRoundsWhatThePlainOneComputes) {
  struct Size {
    int rows, in, out;
  };
  for (const Size& size : {Size{1, 16, 16}, {5, 48, 80}, {129, 192, 768}, {300, 1536, 8960}}) {
    SCOPED_TRACE(testing::Message() << size.rows << " x " << size.in << " to " << size.out);
    const Operands operands(size.rows, size.in, size.out), gpu = operands.Moved(OnGpu);
    const at::Tensor result = Empty({size.rows, size.out}, at::kFloat8_e4m3fn);
    ASSERT_TRUE(GeluProduct(gpu.Call(result), TestStream()));
    EXPECT_LE(RelativeError(result, PlainResult(operands)), Tolerance(Element::kFloat8));
  }
}

TEST(GeluProductTest, WhatIsTooLargeBecomesTheLargestAndNothingElse) {
  Operands operands(3, 64, 64);
  operands.shrink.fill_(1e4);
  const Operands gpu = operands.Moved(OnGpu);
  const at::Tensor result = Empty({3, 64}, at::kFloat8_e4m3fn);
  ASSERT_TRUE(GeluProduct(gpu.Call(result), TestStream()));
  EXPECT_LE(RelativeError(result, PlainResult(operands).clamp(-448, 448)), Tolerance(Element::kFloat8));
}

TEST(GeluProductTest, SizesThatSixteenBytesStraddleAreRefused) {
  const Operands operands = Operands(4, 24, 32).Moved(OnGpu);
  EXPECT_FALSE(GeluProduct(operands.Call(Empty({4, 32}, at::kFloat8_e4m3fn)), TestStream()));
}

}  // namespace
}  // namespace videodiffcr::kernels
