#include "bench/kernel_table.h"

#include <gtest/gtest.h>

namespace videodiffcr {
namespace {

TEST(KernelTableTest, ANameLosesItsReturnTypeNamespacesAndArguments) {
  EXPECT_EQ(
      ShortKernelName("void videodiffcr::kernels::(anonymous namespace)::NormRotaryRows<float, __nv_bfloat16>(Call)"),
      "NormRotaryRows");
  EXPECT_EQ(ShortKernelName("nvjet_tst_128x256_64x4_1x2_h_bz_coopA_TNT"), "nvjet_tst_128x256_64x4_1x2_h_bz_coopA_TNT");
  EXPECT_EQ(ShortKernelName("Memcpy DtoH (Device -> Pinned)"), "Memcpy DtoH");
  EXPECT_EQ(ShortKernelName(""), "");
}

TEST(KernelTableTest, AWrapperIsNamedWithWhatItWraps) {
  EXPECT_EQ(ShortKernelName("void cutlass::device_kernel<cutlass::conv::kernel::ConvUniversal<int> >(P)"),
            "device_kernel (ConvUniversal)");
  EXPECT_EQ(ShortKernelName("void cutlass::device_kernel<videodiffcr::kernels::(anonymous namespace)::Product>(P)"),
            "device_kernel (Product)");
  EXPECT_EQ(ShortKernelName("void at::native::vectorized_elementwise_kernel<4, at::native::FillFunctor<float> >(int)"),
            "vectorized_elementwise_kernel (FillFunctor)");
  EXPECT_EQ(ShortKernelName("void at::native::reduce_kernel<(int)512, (int)1, at::native::ReduceOp<float> >(R)"),
            "reduce_kernel (ReduceOp)");
  EXPECT_EQ(ShortKernelName("void Kernel<(int"), "Kernel ()");
}

TEST(KernelTableTest, KernelsOfOneNameAreSummedAndTheLongestComesFirst) {
  const KernelTimes times = SumKernels({{"b", 0, 10}, {"a", 10, 40}, {"b", 40, 45}, {"c", 45, 60}});
  ASSERT_EQ(times.kernels.size(), 3);
  EXPECT_EQ(times.kernels[0].name, "a");
  EXPECT_EQ(times.kernels[1].name, "b");  // as long as c, and before it in the alphabet
  EXPECT_EQ(times.kernels[1].calls, 2);
  EXPECT_EQ(times.kernels[1].total_ns, 15);
  EXPECT_EQ(times.kernels[2].name, "c");
}

TEST(KernelTableTest, IdleIsWhatNoStreamCovers) {
  // 10 to 30 and 20 to 50 overlap; 25 to 28 lies inside; nothing runs from 50 to 55 and from 60 to 70.
  const KernelTimes times = SumKernels({{"d", 70, 80}, {"a", 10, 30}, {"b", 20, 50}, {"a", 25, 28}, {"c", 55, 60}});
  EXPECT_EQ(times.span_ns, 70);
  EXPECT_EQ(times.idle_ns, 15);
}

TEST(KernelTableTest, NothingTracedIsNothing) {
  const KernelTimes times = SumKernels({});
  EXPECT_TRUE(times.kernels.empty());
  EXPECT_EQ(times.span_ns, 0);
  EXPECT_EQ(times.idle_ns, 0);
}

}  // namespace
}  // namespace videodiffcr
