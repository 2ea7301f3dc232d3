// Residual and norm on a GPU against the plain reference, over odd sizes and every element type.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "model/kernels/residual_norm.h"
#include "tests/model/kernels/kernel_tensors.h"

namespace videodiffcr::kernels {
namespace {

TEST(ResidualNormTest, ResidualNormAddsAndNormalisesAsThePlainOne) {
  for (const int width : {4, 36, 192, 1536, 5120}) {
    for (const Element out : {Element::kFloat32, Element::kBfloat16, Element::kFloat8}) {
      for (const Element product : {Element::kFloat32, Element::kBfloat16}) {
        SCOPED_TRACE(testing::Message() << width << " out " << static_cast<int>(out) << " in "
                                        << static_cast<int>(product));
        const int rows = 7;
        at::Tensor x = at::randn({rows, width}) * 3 + 1,
                   added = at::randn({rows, width}).to(TypeOf(product)).to(at::kFloat);
        const at::Tensor gate = at::randn({width}), factor = at::randn({rows}), scale = at::randn({width}),
                         shift = at::randn({width});
        const at::Tensor gpu_x = OnGpu(x), gpu_added = OnGpu(added.to(TypeOf(product))), gpu_gate = OnGpu(gate),
                         gpu_factor = OnGpu(factor), gpu_scale = OnGpu(scale), gpu_shift = OnGpu(shift);
        const at::Tensor result = Empty({rows, width}, TypeOf(out)), row_scale = Empty({rows, 1}, at::kFloat);
        ResidualNormCall call;
        call.rows = OneSession(rows);
        call.width = width;
        call.eps = kEps;
        call.stream = MutableFloats(gpu_x);
        call.product_element = product;
        call.product = gpu_added.const_data_ptr();
        call.gate[0] = Floats(gpu_gate);
        call.factor[0] = Floats(gpu_factor);
        call.scale[0] = Floats(gpu_scale);
        call.shift[0] = Floats(gpu_shift);
        call.out_element = out;
        call.out = result.mutable_data_ptr();
        call.out_scale = MutableFloats(row_scale);
        ResidualNorm(call, TestStream());
        const at::Tensor want = at::empty({rows, width});
        call.stream = MutableFloats(x);
        call.product = Floats(added);
        call.gate[0] = Floats(gate);
        call.factor[0] = Floats(factor);
        call.scale[0] = Floats(scale);
        call.shift[0] = Floats(shift);
        call.out = MutableFloats(want);
        PlainResidualNorm(call);
        at::Tensor got = OnHost(result);
        if (out == Element::kFloat8) got = got * OnHost(row_scale);
        EXPECT_LE(RelativeError(got, want), Tolerance(out));
        EXPECT_LE(RelativeError(gpu_x, x), 1e-6);
      }
    }
  }
}

TEST(ResidualNormTest, TheBoundOfARowsProductsIsThePlainOne) {
  for (const int width : {4, 192, 1536, 5120}) {
    const int rows = 7;
    const at::Tensor x = at::randn({rows, width}) * 3 + 1, scale = at::randn({width}), shift = at::randn({width});
    const at::Tensor gpu_x = OnGpu(x), gpu_scale = OnGpu(scale), gpu_shift = OnGpu(shift);
    const at::Tensor result = Empty({rows, width}, at::kFloat8_e4m3fn), row_scale = Empty({rows, 1}, at::kFloat);
    const at::Tensor bound = Empty({rows}, at::kFloat), shrink = Empty({rows}, at::kFloat);
    ResidualNormCall call;
    call.rows = OneSession(rows);
    call.width = width;
    call.eps = kEps;
    call.stream = MutableFloats(gpu_x);
    call.scale[0] = Floats(gpu_scale);
    call.shift[0] = Floats(gpu_shift);
    call.out_element = Element::kFloat8;
    call.out = result.mutable_data_ptr();
    call.out_scale = MutableFloats(row_scale);
    call.bound = {{1.5f, 0.25f}, MutableFloats(bound), MutableFloats(shrink)};
    ResidualNorm(call, TestStream());
    const at::Tensor want = at::empty({rows, width}), want_bound = at::empty({rows}), want_shrink = at::empty({rows});
    call.stream = MutableFloats(x);
    call.scale[0] = Floats(scale);
    call.shift[0] = Floats(shift);
    call.out = MutableFloats(want);
    call.bound = {{1.5f, 0.25f}, MutableFloats(want_bound), MutableFloats(want_shrink)};
    PlainResidualNorm(call);
    EXPECT_LE(RelativeError(bound, want_bound), 1e-5);
    EXPECT_LE(RelativeError(shrink, want_shrink), 1e-5);
    // It holds for the row as it was rounded.
    const at::Tensor length = (OnHost(result) * OnHost(row_scale)).norm(2, 1);
    EXPECT_TRUE((448 * OnHost(bound) >= 1.5 * length + 0.25).all().item<bool>());
  }
}

TEST(ResidualNormTest, ResidualNormReachesEachSessionsKeptTokensAndNoOthers) {
  const int width = 64, tokens = 10;
  at::Tensor stream = at::randn({2 * tokens, width});
  const at::Tensor before = stream.clone(), product = at::ones({3 + tokens, width});
  const at::Tensor gpu_stream = OnGpu(stream), gpu_product = OnGpu(product);
  const at::Tensor host_kept = at::tensor({1, 4, 9}, at::kInt), kept = OnGpu(host_kept);
  ResidualNormCall call;
  call.rows.segments = 2;  // three kept tokens of session 0, then all tokens of session 1
  call.rows.first_row[1] = 3;
  call.rows.first_row[2] = 3 + tokens;
  call.rows.base_row[1] = tokens;
  call.rows.kept[0] = kept.const_data_ptr<int32_t>();
  call.width = width;
  call.eps = kEps;
  call.stream = MutableFloats(gpu_stream);
  call.product_element = Element::kFloat32;
  call.product = gpu_product.const_data_ptr();
  call.product_first[1] = 3;
  ResidualNorm(call, TestStream());
  call.rows.kept[0] = host_kept.const_data_ptr<int32_t>();
  call.stream = MutableFloats(stream);
  call.product = Floats(product);
  PlainResidualNorm(call);
  EXPECT_LE(RelativeError(gpu_stream, stream), 1e-6);
  const at::Tensor moved = (stream - before).mean(1);
  for (int row = 0; row < 2 * tokens; ++row) {
    const bool touched = row == 1 || row == 4 || row == 9 || row >= tokens;
    EXPECT_NEAR(moved[row].item<float>(), touched ? 1.0f : 0.0f, 1e-5) << "row " << row;
  }
}

TEST(ResidualNormTest, ResidualNormOfAllTokensAddsTheProductOfTheKeptOnes) {
  const int width = 64, tokens = 5;
  at::Tensor stream = at::randn({2 * tokens, width});
  // Session 0 kept tokens 1 and 4, session 1 has a product for every token, behind those two.
  const at::Tensor product = at::randn({2 + tokens, width}), factor = at::tensor({2.0f, 0.5f});
  const at::Tensor host_place = at::tensor({-1, 0, -1, -1, 1}, at::kInt), place = OnGpu(host_place);
  const at::Tensor gpu_stream = OnGpu(stream), gpu_product = OnGpu(product), gpu_factor = OnGpu(factor);
  const at::Tensor result = Empty({2 * tokens, width}, at::kFloat);
  ResidualNormCall call;
  call.rows = EvenRows(2, tokens, tokens);
  call.width = width;
  call.eps = kEps;
  call.stream = MutableFloats(gpu_stream);
  call.product_element = Element::kFloat32;
  call.product = gpu_product.const_data_ptr();
  call.product_first[1] = 2;
  call.product_row[0] = place.const_data_ptr<int32_t>();
  call.factor[0] = Floats(gpu_factor);
  call.out_element = Element::kFloat32;
  call.out = result.mutable_data_ptr();
  ResidualNorm(call, TestStream());
  const at::Tensor want = at::empty({2 * tokens, width});
  call.stream = MutableFloats(stream);
  call.product = Floats(product);
  call.product_row[0] = host_place.const_data_ptr<int32_t>();
  call.factor[0] = Floats(factor);
  call.out = MutableFloats(want);
  PlainResidualNorm(call);
  EXPECT_LE(RelativeError(gpu_stream, stream), 1e-6);
  EXPECT_LE(RelativeError(result, want), Tolerance(Element::kFloat32));
}

}  // namespace
}  // namespace videodiffcr::kernels
