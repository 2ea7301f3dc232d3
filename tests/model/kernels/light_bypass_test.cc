// The light bypass on a GPU against the plain reference.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include "model/kernels/light_bypass.h"
#include "tests/model/kernels/kernel_tensors.h"

namespace videodiffcr::kernels {
namespace {

struct Size {
  int tokens, width, rank;
};

TEST(LightBypassTest, TokensThatAreNotKeptGetTheirUpdateAndNoOther) {
  for (const Size& size : {Size{1, 4, 1}, Size{17, 36, 3}, Size{180, 192, 8}, Size{93, 1536, 32}, Size{9, 260, 128}}) {
    SCOPED_TRACE(testing::Message() << size.tokens << " x " << size.width << ", rank " << size.rank);
    const at::Tensor hidden = at::randn({size.tokens, size.rank}) * 3, up = at::randn({size.rank, size.width});
    const at::Tensor place = at::randint(-1, 2, {size.tokens}, at::kInt), x = at::randn({size.tokens, size.width});
    const at::Tensor gpu_hidden = OnGpu(hidden), gpu_up = OnGpu(up), gpu_place = OnGpu(place), got = OnGpu(x);
    LightBypass({size.tokens, size.width, size.rank, Floats(gpu_hidden), Floats(gpu_up),
                 gpu_place.const_data_ptr<int32_t>(), MutableFloats(got)},
                TestStream());
    const at::Tensor want = x.clone();
    PlainLightBypass({size.tokens, size.width, size.rank, Floats(hidden), Floats(up), place.const_data_ptr<int32_t>(),
                      MutableFloats(want)});
    EXPECT_LE(RelativeError(got, want), 1e-5);
    EXPECT_TRUE(OnHost(got).index({place.ge(0)}).equal(x.index({place.ge(0)}))) << "kept tokens stay as they are";
  }
}

}  // namespace
}  // namespace videodiffcr::kernels
