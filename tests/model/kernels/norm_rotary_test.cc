// Norm and rotary turn on a GPU against the plain reference, over odd sizes and every element type.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "model/kernels/norm_rotary.h"
#include "tests/model/kernels/kernel_tensors.h"

namespace videodiffcr::kernels {
namespace {

TEST(NormRotaryTest, NormRotaryMakesQueriesKeysAndValuesAsThePlainOne) {
  struct Size {
    int heads, head_dim;
  };
  for (const Size size : {Size{2, 16}, Size{3, 12}, Size{3, 64}, Size{12, 128}}) {
    for (const Element out : {Element::kFloat32, Element::kBfloat16, Element::kFloat8}) {
      SCOPED_TRACE(testing::Message() << size.heads << " x " << size.head_dim << " out " << static_cast<int>(out));
      const Element in = out == Element::kFloat32 ? Element::kFloat32 : Element::kBfloat16;
      const int width = size.heads * size.head_dim, rows = 5, tokens = 9, pairs = size.head_dim / 2;
      const at::Tensor product = at::randn({rows, 3 * width}).to(TypeOf(in)).to(at::kFloat);
      const at::Tensor query_weight = at::randn({width}), key_weight = at::randn({width});
      const at::Tensor angle = at::randn({tokens, pairs}), cos = angle.cos(), sin = angle.sin();
      const at::Tensor kept = at::tensor({0, 2, 3, 7, 8}, at::kInt);
      const at::Tensor gpu_product = OnGpu(product.to(TypeOf(in))), gpu_cos = OnGpu(cos), gpu_sin = OnGpu(sin),
                       gpu_kept = OnGpu(kept), gpu_qw = OnGpu(query_weight), gpu_kw = OnGpu(key_weight);
      const at::Tensor queries = Empty({rows, width}, TypeOf(out)), keys = Empty({rows + 3, width}, TypeOf(out)),
                       values = Empty({rows + 3, width}, TypeOf(out)), plain = Empty({rows + 1, width}, TypeOf(out));
      NormRotaryCall call;
      call.rows = OneSession(rows, gpu_kept.const_data_ptr<int32_t>());
      call.width = width;
      call.head_dim = size.head_dim;
      call.eps = kEps;
      call.in_element = in;
      call.out_element = out;
      call.in_stride = 3 * width;
      call.query_in = gpu_product.const_data_ptr();
      call.key_in = gpu_product.narrow(1, width, width).const_data_ptr();
      call.value_in = gpu_product.narrow(1, 2 * width, width).const_data_ptr();
      call.query_weight = Floats(gpu_qw);
      call.key_weight = Floats(gpu_kw);
      call.cos[0] = Floats(gpu_cos);
      call.sin[0] = Floats(gpu_sin);
      call.query_out = queries.mutable_data_ptr();
      call.keys = keys.mutable_data_ptr();
      call.values = values.mutable_data_ptr();
      call.key_row[0] = 3;
      call.plain_keys = plain.mutable_data_ptr();
      call.plain_key_row[0] = 1;
      NormRotary(call, TestStream());
      const at::Tensor want_queries = at::empty({rows, width}), want_keys = at::empty({rows + 3, width}),
                       want_values = at::empty({rows + 3, width}), want_plain = at::empty({rows + 1, width});
      call.rows.kept[0] = kept.const_data_ptr<int32_t>();
      call.query_in = Floats(product);
      call.key_in = Floats(product) + width;
      call.value_in = Floats(product) + 2 * width;
      call.query_weight = Floats(query_weight);
      call.key_weight = Floats(key_weight);
      call.cos[0] = Floats(cos);
      call.sin[0] = Floats(sin);
      call.query_out = MutableFloats(want_queries);
      call.keys = MutableFloats(want_keys);
      call.values = MutableFloats(want_values);
      call.plain_keys = MutableFloats(want_plain);
      PlainNormRotary(call);
      EXPECT_LE(RelativeError(queries, want_queries), Tolerance(out));
      EXPECT_LE(RelativeError(keys.narrow(0, 3, rows), want_keys.narrow(0, 3, rows)), Tolerance(out));
      EXPECT_LE(RelativeError(plain.narrow(0, 1, rows), want_plain.narrow(0, 1, rows)), Tolerance(out));
      EXPECT_LE(RelativeError(values.narrow(0, 3, rows), want_values.narrow(0, 3, rows)), Tolerance(out));
    }
  }
}

}  // namespace
}  // namespace videodiffcr::kernels
