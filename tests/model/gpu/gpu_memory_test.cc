// What the served model takes from a GPU after it was warmed up, and what happens when there is nothing left.
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/model/gpu/tiny_on_gpu.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

// How often LibTorch has asked the driver for memory.
int64_t RequestsToTheDriver() { return c10::cuda::CUDACachingAllocator::getDeviceStats(0).num_device_alloc; }

// While it lives there is no memory: the driver gives none, and what LibTorch keeps for later, parts of blocks in use
// among it, is taken. Memory that is private to a CUDA graph stays as it is.
class NoMemoryLeft {
 public:
  NoMemoryLeft() {
    c10::cuda::device_synchronize();  // so that what other streams used last is free for all
    c10::cuda::CUDACachingAllocator::emptyCache();
    c10::cuda::CUDACachingAllocator::setMemoryFraction(1e-9, 0);
    while (TakeFreeBlocks() > 0) {
    }
  }
  ~NoMemoryLeft() {
    for (void* block : taken_) c10::cuda::CUDACachingAllocator::raw_delete(block);
    c10::cuda::CUDACachingAllocator::setMemoryFraction(1.0, 0);
  }
  NoMemoryLeft(const NoMemoryLeft&) = delete;
  NoMemoryLeft& operator=(const NoMemoryLeft&) = delete;

 private:
  // Returns how many it got.
  int TakeFreeBlocks() {
    int count = 0;
    for (const auto& segment : c10::cuda::CUDACachingAllocator::snapshot().segments) {
      if (segment.owner_private_pool_id != c10::cuda::MempoolId_t{0, 0}) continue;
      for (const auto& block : segment.blocks) {
        if (block.active) continue;
        try {
          taken_.push_back(c10::cuda::CUDACachingAllocator::raw_alloc_with_stream(
              block.size, static_cast<cudaStream_t>(segment.stream)));
          ++count;
        } catch (const c10::OutOfMemoryError&) {
          // A remainder that is too small to be given to anyone.
        }
      }
    }
    return count;
  }

  std::vector<void*> taken_;
};

void ExpectNothingMoreFromTheDriver(const VideoModelOptions& options) {
  const auto model = Load(options);
  const int64_t after_warm_up = RequestsToTheDriver();
  Generate(*model, {{1, 10, {}, {}}}, 5);
  EXPECT_EQ(RequestsToTheDriver(), after_warm_up) << "one session";
  Generate(*model, {{2, 10, {}, {}}, {3, 7, {}, {}}, {4, 9, {}, {}}}, 5);
  EXPECT_EQ(RequestsToTheDriver(), after_warm_up) << "all slots taken, budgets mixed";
}

TEST(GpuMemoryTest, SessionsTakeNothingFromTheDriverThatTheWarmUpDidNotTake) {
  ExpectNothingMoreFromTheDriver(TinyOptions("cuda", "bf16"));
}

TEST(GpuMemoryTest, NorDoTheyWhereAShareOfTheCacheStays) {
  VideoModelOptions options = TinyOptions("cuda", "bf16");
  options.cache_retention = CacheRetention{CacheScore::kRouter, {{10, {50}}, {7, {25}}}};
  ExpectNothingMoreFromTheDriver(options);
}

TEST(GpuMemoryTest, APlanWithoutMemoryFailsAloneAndSessionsOutsideItGoOn) {
  const auto model = Load(TinyOptions("cuda", "bf16"));
  const std::vector<FrameChunk> undisturbed = Generate(*model, {{1, 10, {}, {}}}, 3)[0].chunks;
  const int last_step = model->info().denoise_steps - 1;
  const auto run = [&](SessionId session, StepKind kind, int chunk, int step) {
    return std::move(model->Run({{StepOf(session, kind, chunk, step)}})[0]);
  };
  std::vector<FrameChunk> chunks;
  for (const SessionId session : {2, 3}) {
    ASSERT_TRUE(model->BeginSession(session, 42).ok());
    ASSERT_TRUE(run(session, StepKind::kText, 0, 0).status.ok());
    for (int step = 0; step < last_step; ++step) ASSERT_TRUE(run(session, StepKind::kDenoise, 0, step).status.ok());
  }
  {
    const NoMemoryLeft nothing;
    const absl::Status failed = run(2, StepKind::kDenoise, 0, last_step).status;
    EXPECT_EQ(failed.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_THAT(std::string(failed.message()), HasSubstr("no GPU memory for a pass"));
  }
  model->EndSession(2);
  EXPECT_TRUE(model->health().ok()) << "a device that is full is not a device that is lost";

  for (int chunk = 0; chunk < 3; ++chunk) {
    for (int step = chunk == 0 ? last_step : 0; step <= last_step; ++step) {
      StepOutcome outcome = run(3, StepKind::kDenoise, chunk, step);
      ASSERT_TRUE(outcome.status.ok()) << outcome.status;
      if (step == last_step) chunks.push_back(model->Decode(*outcome.latents).value());
    }
    ASSERT_TRUE(run(3, StepKind::kContext, chunk, 0).status.ok());
  }
  model->EndSession(3);
  for (int chunk = 0; chunk < 3; ++chunk) EXPECT_EQ(chunks[chunk].pixels, undisturbed[chunk].pixels) << chunk;
}

TEST(GpuMemoryTest, ADecodeWithoutMemoryFailsItsChunkAlone) {
  const auto model = Load(TinyOptions("cuda", "bf16"));
  const std::unique_ptr<LatentChunk> latents = FirstLatents(*model, 1);
  ASSERT_NE(latents, nullptr);
  {
    const NoMemoryLeft nothing;
    const absl::Status failed = model->Decode(*latents).status();
    EXPECT_EQ(failed.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_THAT(std::string(failed.message()), HasSubstr("no GPU memory for decoding"));
  }
  model->EndSession(1);
  EXPECT_TRUE(model->health().ok());
  EXPECT_EQ(Generate(*model, {{2, 10, {}, {}}}, 2)[0].chunks.size(), 2u);
}

}  // namespace
}  // namespace videodiffcr
