// A session that goes on in another model from its latents: the chunks behind the seam against those of the session
// that was not interrupted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/drive/clip_run.h"
#include "model/load/create_video_model.h"

namespace videodiffcr {
namespace {

constexpr char kPrompt[] = "a large red circle moves right on a navy checkered background";

std::unique_ptr<VideoModel> TinyModel(int threads = 2, std::optional<CacheRetention> cache = std::nullopt) {
  VideoModelOptions options = {"models/tiny", "cpu", threads};
  options.cache_retention = std::move(cache);
  absl::StatusOr<std::unique_ptr<VideoModel>> model = CreateVideoModel(options);
  EXPECT_TRUE(model.ok()) << model.status();
  return *std::move(model);
}

struct Made {
  std::vector<std::shared_ptr<const HalfLatents>> latents;
  std::vector<std::vector<uint8_t>> pixels;
  std::vector<int64_t> past_keys;  // that the last pass of each chunk looked at
};

// Every other chunk is made at a budget of its own.
RetentionTenths BudgetOf(int64_t chunk, RetentionTenths odd) { return chunk % 2 == 0 ? kDenseTenths : odd; }

// Chunks [first, end) of a session that has been begun; `prompt` null: the model has it.
void MakeChunks(VideoModel& model, ClipRun& run, int64_t first, int64_t end, std::shared_ptr<const std::string> prompt,
                RetentionTenths odd, Made* made) {
  const auto take = [&](std::vector<std::unique_ptr<LatentChunk>> latents) {
    made->pixels.push_back(model.Decode(*latents[0])->pixels);
    made->latents.push_back(std::make_shared<const HalfLatents>(latents[0]->CopyToHost().value()));
    return absl::OkStatus();
  };
  for (int64_t chunk = first; chunk < end; ++chunk) {
    int64_t keys = 0;
    const auto note = [&keys](const PlannedStep& step, const std::vector<StepOutcome>& outcomes, absl::Duration) {
      if (step.kind == StepKind::kDenoise) keys = outcomes[0].past_keys;
    };
    run.StartChunk({chunk, BudgetOf(chunk, odd), std::exchange(prompt, nullptr), /*scene_start=*/chunk == 0});
    ASSERT_TRUE(RunChunks(model, {&run}, take, note).ok());
    made->past_keys.push_back(keys);
  }
}

Made MakeWhole(VideoModel& model, int64_t chunks, RetentionTenths odd = kDenseTenths) {
  Made made;
  const auto run = ClipRun::Begin(model, 1, /*seed=*/11).value();
  MakeChunks(model, *run, 0, chunks, std::make_shared<const std::string>(kPrompt), odd, &made);
  return made;
}

StepOutcome RunOne(VideoModel& model, const PlannedStep& step) {
  std::vector<StepOutcome> outcomes = model.Run({{step}});
  return std::move(outcomes[0]);
}

// Chunks [next, end) behind `latents` of the chunks before them.
Made GoOn(VideoModel& model, const std::vector<std::shared_ptr<const HalfLatents>>& latents, int64_t next, int64_t end,
          RetentionTenths odd = kDenseTenths) {
  Made made;
  const auto run = ClipRun::Begin(model, 2, /*seed=*/11).value();
  PlannedStep text;
  text.session = 2;
  text.kind = StepKind::kText;
  text.prompt = std::make_shared<const std::string>(kPrompt);
  EXPECT_TRUE(RunOne(model, text).status.ok());
  for (size_t i = 0; i < latents.size(); ++i) {
    PlannedStep step;
    step.session = 2;
    step.kind = StepKind::kRebuild;
    step.chunk = next - static_cast<int64_t>(latents.size() - i);
    step.budget = BudgetOf(step.chunk, odd);
    step.scene_start = i == 0;
    step.latents = latents[i];
    StepOutcome outcome = RunOne(model, step);
    EXPECT_TRUE(outcome.status.ok()) << outcome.status;
    EXPECT_TRUE(model.Decode(*outcome.latents).ok());
  }
  MakeChunks(model, *run, next, end, nullptr, odd, &made);
  return made;
}

// In decibels; infinite for equal pixels.
double Psnr(const std::vector<uint8_t>& a, const std::vector<uint8_t>& b) {
  EXPECT_EQ(a.size(), b.size());
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += std::pow(static_cast<double>(a[i]) - b[i], 2);
  return 10 * std::log10(255.0 * 255.0 * static_cast<double>(a.size()) / sum);
}

// What chunk `next` looks back at: the scene's first chunks and its latest.
std::vector<std::shared_ptr<const HalfLatents>> PastOf(const Made& made, int64_t next, const ModelInfo& info) {
  std::vector<std::shared_ptr<const HalfLatents>> past;
  for (int64_t chunk = 0; chunk < next; ++chunk) {
    const bool seen = chunk < info.sink_chunks || chunk >= next - (info.window_chunks - info.sink_chunks);
    if (seen) past.push_back(made.latents[chunk]);
  }
  return past;
}

// The cache holds what the context passes made of latents that were rounded to 11 bits.
TEST(RebuildTest, WhereNothingHasLeftTheWindowTheVideoGoesOnButForTheRoundingOfLatents) {
  std::unique_ptr<VideoModel> model = TinyModel();
  const Made whole = MakeWhole(*model, 6);
  const Made rest = GoOn(*model, PastOf(whole, 3, model->info()), 3, 6);
  ASSERT_EQ(rest.pixels.size(), 3u);
  for (size_t i = 0; i < 3; ++i) EXPECT_GT(Psnr(rest.pixels[i], whole.pixels[i + 3]), 40) << "chunk " << i + 3;
}

// Keys of frames whose own past has left the window are made again without that past.
TEST(RebuildTest, WhereTheWindowHasMovedTheVideoGoesOnWithTheSameScene) {
  std::unique_ptr<VideoModel> model = TinyModel();
  const int64_t next = model->info().window_chunks + 4;
  const Made whole = MakeWhole(*model, next + 2);
  const Made rest = GoOn(*model, PastOf(whole, next, model->info()), next, next + 2);
  for (size_t i = 0; i < 2; ++i) {
    const double psnr = Psnr(rest.pixels[i], whole.pixels[next + i]);
    EXPECT_GT(psnr, 45) << "chunk " << next + i;
    RecordProperty(i == 0 ? "psnr_at_the_seam" : "psnr_after_it", std::to_string(psnr));
  }
}

// What of each chunk stays is up to the budget that it was made at.
TEST(RebuildTest, WhereAPartOfTheCacheStaysTheRebuiltSessionLooksAtAsManyKeysAndGoesOn) {
  std::unique_ptr<VideoModel> model = TinyModel(2, CacheRetention{CacheScore::kSaliency, {{10, {75}}, {7, {25}}}});
  const Made whole = MakeWhole(*model, 6, /*odd=*/7);
  const Made rest = GoOn(*model, PastOf(whole, 3, model->info()), 3, 6, /*odd=*/7);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(rest.past_keys[i], whole.past_keys[i + 3]) << "chunk " << i + 3;
    EXPECT_GT(Psnr(rest.pixels[i], whole.pixels[i + 3]), 35) << "chunk " << i + 3;
  }
  const Made at_another = GoOn(*model, PastOf(whole, 3, model->info()), 3, 4, /*odd=*/kDenseTenths);
  EXPECT_NE(at_another.past_keys[0], whole.past_keys[3]);
}

TEST(RebuildTest, TheSameLatentsLeadToTheSameBytesOnAnyNumberOfThreads) {
  std::unique_ptr<VideoModel> one = TinyModel(1), five = TinyModel(5);
  const Made whole = MakeWhole(*one, 3);
  EXPECT_EQ(GoOn(*one, whole.latents, 3, 5).pixels, GoOn(*five, whole.latents, 3, 5).pixels);
}

TEST(RebuildTest, LatentsOfAnotherShapeAreAnErrorOfThatSessionAlone) {
  std::unique_ptr<VideoModel> model = TinyModel();
  const auto run = ClipRun::Begin(*model, 1, 5).value();
  PlannedStep step;
  step.session = 1;
  step.kind = StepKind::kRebuild;
  step.scene_start = true;
  step.latents = std::make_shared<const HalfLatents>(7);
  EXPECT_THAT(std::string(RunOne(*model, step).status.message()), ::testing::HasSubstr("7 latents instead of"));
}

}  // namespace
}  // namespace videodiffcr
