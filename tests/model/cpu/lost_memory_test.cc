// Allocations that fail, one at a time, wherever the model and the scheduler make them: no failure ends the process,
// work that is done again afterwards gives what it would have given at once, and nobody else notices.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <new>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "model/load/create_video_model.h"
#include "prometheus/registry.h"
#include "scheduler/scheduler.h"
#include "tests/fakes/recording_sink.h"
#include "threading/clock.h"

namespace {

constexpr size_t kLeastBytes = 4096;  // smaller ones do not fail in this test
std::atomic<int64_t> allocations{0};  // of that size, since the last Arm()
std::atomic<int64_t> failing{0};      // the one that fails, from 1 on; 0: none

bool Fails(size_t bytes) { return bytes >= kLeastBytes && allocations.fetch_add(1) + 1 == failing.load(); }

void* Allocate(size_t bytes, size_t alignment) {
  if (Fails(bytes)) return nullptr;
  return aligned_alloc(alignment, (bytes + alignment) / alignment * alignment);
}

}  // namespace

// Where only one of a pair is inlined, GCC 12 takes them for strangers.
[[gnu::noinline]] void* operator new(size_t bytes) {
  if (void* const memory = Allocate(bytes, alignof(std::max_align_t))) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(size_t bytes, std::align_val_t alignment) {
  if (void* const memory = Allocate(bytes, static_cast<size_t>(alignment))) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t, std::align_val_t) noexcept { std::free(memory); }
// LibTorch's tensors.
extern "C" int posix_memalign(void** out, size_t alignment, size_t bytes) {
  *out = Allocate(bytes, alignment);
  return *out == nullptr ? ENOMEM : 0;
}

namespace videodiffcr {
namespace {

// The `number`-th allocation from now on fails; 0: none.
void Arm(int64_t number) {
  failing = 0;
  allocations = 0;
  failing = number;
}

// Two scenes of one session as the scheduler makes them: what memory was short for is done once more, a chunk from its
// first pass on.
class Clip {
 public:
  explicit Clip(VideoModel* model) : model_(*model) {}

  // `pixels` keeps its memory: none is taken here.
  void Make(std::vector<uint8_t>* pixels) {
    pixels->clear();
    Repeat([&] { return model_.BeginSession(1, /*seed=*/42); });
    PlannedStep text{.session = 1, .kind = StepKind::kText};
    text.prompt = std::make_shared<const std::string>(model_.info().example_prompts.at(0));
    Repeat([&] { return Run(text).status; });
    for (int64_t chunk = 0; chunk < 2; ++chunk) {
      std::unique_ptr<LatentChunk> latents;
      Repeat([&] { return Denoise(chunk, &latents); });
      const absl::StatusOr<FrameChunk> frames = model_.Decode(*latents);
      EXPECT_TRUE(frames.ok()) << frames.status();
      if (frames.ok()) pixels->insert(pixels->end(), frames->pixels.begin(), frames->pixels.end());
      Repeat([&] { return Run({.session = 1, .kind = StepKind::kContext, .chunk = chunk}).status; });
    }
    model_.EndSession(1);
  }

 private:
  StepOutcome Run(PlannedStep step) {
    StepPlan plan;
    plan.steps.push_back(std::move(step));
    return std::move(model_.Run(plan)[0]);
  }
  absl::Status Denoise(int64_t chunk, std::unique_ptr<LatentChunk>* latents) {
    for (int pass = 0; pass < model_.info().denoise_steps; ++pass) {
      PlannedStep step{.session = 1, .kind = StepKind::kDenoise, .chunk = chunk, .step = pass, .budget = 8};
      step.scene_start = pass == 0;
      StepOutcome outcome = Run(std::move(step));
      if (!outcome.status.ok()) return outcome.status;
      *latents = std::move(outcome.latents);
    }
    return absl::OkStatus();
  }
  template <typename Work>
  void Repeat(const Work& work) {
    const absl::Status first = work();
    if (first.ok()) return;
    EXPECT_EQ(first.code(), absl::StatusCode::kResourceExhausted) << first;
    EXPECT_THAT(std::string(first.message()), ::testing::StartsWith("no memory for ")) << "not the allocator's words";
    EXPECT_EQ(work(), absl::OkStatus());
  }

  VideoModel& model_;
};

TEST(LostMemoryTest, WhicheverAllocationOfAClipFailsTheClipIsTheSame) {
  const std::unique_ptr<VideoModel> model = CreateVideoModel({"models/tiny", "cpu", /*threads=*/2}).value();
  Clip clip(model.get());
  std::vector<uint8_t> whole, again;
  clip.Make(&whole);  // takes what is taken once and for all
  again.reserve(whole.size());
  Arm(0);
  clip.Make(&whole);
  const int64_t count = allocations;
  ASSERT_GT(count, 20);
  const int64_t stride = std::max<int64_t>(1, count / 30);
  for (int64_t number = 1; number <= count; number += stride) {
    Arm(number);
    clip.Make(&again);
    Arm(0);
    ASSERT_EQ(again, whole) << "allocation " << number << " of " << count;
  }
}

// Two sessions at once, each with a seed and a budget of its own.
class SessionsTogether {
 public:
  SessionsTogether()
      : model_(CreateVideoModel({"models/tiny", "cpu", /*threads=*/2}).value()),
        metrics_(&registry_, model_->info().name),
        scheduler_(Scheduler::Create(SchedulerConfig(), model_.get(), &clock_, &metrics_).value()) {}

  // How many came to their end; those have the pixels of `wanted`, if it is not empty. What came is in pixels().
  int Make(const std::vector<std::vector<uint8_t>>& wanted) {
    std::vector<std::shared_ptr<SinkLog>> logs;
    for (const RetentionTenths target : {10, 8}) {
      logs.push_back(std::make_shared<SinkLog>());
      SessionRequest request;
      request.prompt = model_->info().example_prompts.at(0);
      request.seed = static_cast<uint64_t>(target);
      request.length_chunks = 2;
      request.target = request.floor = target;
      request.keep_latents = true;
      EXPECT_TRUE(scheduler_->Submit(std::move(request), std::make_unique<RecordingSink>(logs.back())).ok());
    }
    for (const auto& log : logs) EXPECT_TRUE(log->WaitForEnd());
    failing = 0;  // what follows is the test's own
    allocations_ = allocations;
    int whole = 0;
    pixels_.assign(logs.size(), {});
    for (size_t i = 0; i < logs.size(); ++i) {
      const absl::Status end = logs[i]->end_status();
      EXPECT_TRUE(end.ok() || absl::IsResourceExhausted(end)) << end;
      for (const GeneratedChunk& chunk : logs[i]->chunks()) {
        pixels_[i].insert(pixels_[i].end(), chunk.frames.pixels.begin(), chunk.frames.pixels.end());
      }
      if (end.ok() && !wanted.empty()) {
        EXPECT_EQ(pixels_[i], wanted[i]) << "session " << i;
      }
      whole += end.ok() ? 1 : 0;
    }
    return whole;
  }
  const std::vector<std::vector<uint8_t>>& pixels() const { return pixels_; }
  int64_t allocations_made() const { return allocations_; }

 private:
  const std::unique_ptr<VideoModel> model_;
  RealClock clock_;
  prometheus::Registry registry_;
  SchedulerMetrics metrics_;
  const std::unique_ptr<Scheduler> scheduler_;
  std::vector<std::vector<uint8_t>> pixels_;
  int64_t allocations_ = 0;
};

// VIDEODIFFCR_ALLOCATION_FAILURES: more of them (tools/reliability_check.sh).
TEST(LostMemoryTest, AFailureAtARandomPlaceEndsOneSessionAtMostAndTheOtherHasItsBytes) {
  const char* const asked = std::getenv("VIDEODIFFCR_ALLOCATION_FAILURES");
  const int failures = asked == nullptr ? 12 : std::atoi(asked);
  SessionsTogether sessions;
  ASSERT_EQ(sessions.Make({}), 2);
  const std::vector<std::vector<uint8_t>> wanted = sessions.pixels();
  Arm(0);
  ASSERT_EQ(sessions.Make(wanted), 2);
  const int64_t count = sessions.allocations_made();
  std::mt19937_64 random(17);
  int ended = 0, hit = 0;
  for (int i = 0; i < failures; ++i) {
    const int64_t number = 1 + static_cast<int64_t>(random() % static_cast<uint64_t>(count));
    Arm(number);
    const int whole = sessions.Make(wanted);
    ended += 2 - whole;
    hit += sessions.allocations_made() >= number ? 1 : 0;
    ASSERT_GE(whole, 1) << "allocation " << number << " of " << count;
  }
  EXPECT_EQ(sessions.Make(wanted), 2) << "nothing is left of it";
  std::cout << hit << " of " << failures << " allocations failed, out of " << count << "; " << ended
            << " sessions ended\n";
}

}  // namespace
}  // namespace videodiffcr
