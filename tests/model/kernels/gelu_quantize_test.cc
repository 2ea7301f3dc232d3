// GELU to 8 bits on a GPU against the plain reference.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include "model/kernels/gelu_quantize.h"
#include "tests/model/kernels/kernel_tensors.h"

namespace videodiffcr::kernels {
namespace {

TEST(GeluQuantizeTest, GeluQuantizeKeepsEachRowsScale) {
  for (const int width : {8, 768, 8960}) {
    const at::Tensor x = (at::randn({5, width}) * 2).to(at::kBFloat16), gpu = OnGpu(x);
    const at::Tensor out = Empty({5, width}, at::kFloat8_e4m3fn), scale = Empty({5, 1}, at::kFloat);
    GeluQuantize({5, width, gpu.const_data_ptr(), out.mutable_data_ptr(), MutableFloats(scale)}, TestStream());
    const at::Tensor host = OnHost(x), want = at::empty({5, width}), ones = at::empty({5});
    PlainGeluQuantize({5, width, Floats(host), MutableFloats(want), MutableFloats(ones)});
    EXPECT_LE(RelativeError(OnHost(out) * OnHost(scale), want), Tolerance(Element::kFloat8));
  }
}

}  // namespace
}  // namespace videodiffcr::kernels
