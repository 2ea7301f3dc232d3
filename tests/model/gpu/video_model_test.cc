// The served model on a GPU, through the seam that the scheduler sees.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "model/config/model_config.h"
#include "model/kernels/frame_conversion.h"
#include "tests/model/gpu/tiny_on_gpu.h"
#include "tests/system/temporary_folder.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

// What the GPU delivers, of a chunk that the CPU delivers.
FrameChunk ToYuv420p(const FrameChunk& rgb) {
  std::vector<float> pixels(rgb.pixels.begin(), rgb.pixels.end());
  for (float& value : pixels) value /= 255.0f;
  FrameChunk chunk = rgb;
  chunk.format = PixelFormat::kYuv420p;
  chunk.pixels.resize(rgb.pixels.size() / 2);
  kernels::FrameConversionCall call;
  call.frames = rgb.frame_count;
  call.height = rgb.height;
  call.width = rgb.width;
  call.pixels = pixels.data();
  call.frame_stride = int64_t{3} * rgb.height * rgb.width;
  call.colour_stride = 1;
  call.row_stride = int64_t{3} * rgb.width;
  call.column_stride = 3;
  call.bytes = chunk.pixels.data();
  kernels::PlainToYuv420p(call);
  return chunk;
}

double MeanDifference(const FrameChunk& a, const FrameChunk& b) {
  double sum = 0;
  EXPECT_EQ(a.pixels.size(), b.pixels.size());
  for (size_t i = 0; i < a.pixels.size(); ++i) sum += std::abs(int{a.pixels[i]} - int{b.pixels[i]});
  return sum / static_cast<double>(a.pixels.size());
}

// Frames of the CPU are rounded twice, to 8-bit RGB and to YUV, those of the GPU once. The first rounding moves a luma
// value by 0.17 (root mean square: 0.29 per colour, their weights, 219/255), so every eighth one rounds elsewhere;
// noise in all pixels makes that a mean difference of 0.11 to 0.13. A pass at the wrong place makes it 5 and more.
constexpr double kRoundingTwice = 0.15;

std::unique_ptr<VideoModel> LoadTiny(const std::string& device, const std::string& precision) {
  return Load(TinyOptions(device, precision));
}

std::vector<FrameChunk> GenerateAlone(VideoModel& model, SessionId session, int chunks, RetentionTenths budget) {
  return Generate(model, {{session, budget, {}, {}}}, chunks)[0].chunks;
}

void ExpectSameBytes(const std::vector<FrameChunk>& want, const std::vector<FrameChunk>& got) {
  ASSERT_EQ(want.size(), got.size());
  for (size_t chunk = 0; chunk < want.size(); ++chunk) EXPECT_EQ(want[chunk].pixels, got[chunk].pixels) << chunk;
}

// The tiny model as one that knows no budget but 1.0; in a folder that lasts as long as this.
class TinyWithoutRouters {
 public:
  TinyWithoutRouters() {
    for (const auto& file : std::filesystem::directory_iterator("models/tiny")) {
      const std::string name = file.path().filename();
      if (name == "config.json" || name == "routers.safetensors") continue;
      std::filesystem::create_symlink(std::filesystem::absolute(file.path()), folder_.Path(name));
    }
    ModelConfig config = LoadModelConfig("models/tiny").value();
    config.retention = {};
    folder_.Write("config.json", FormatModelConfig(config));
  }

  std::unique_ptr<VideoModel> LoadOnGpu(const std::string& precision) const {
    VideoModelOptions options = TinyOptions("cuda", precision);
    options.model_folder = folder_.path();
    return Load(options);
  }

 private:
  const TemporaryFolder folder_;
};

TEST(GpuVideoModelTest, FramesLeaveAsRgbWhereThatIsAskedForInEveryPrecision) {
  for (const char* precision : {"bf16", "fp8"}) {
    VideoModelOptions options = TinyOptions("cuda", precision);
    const std::vector<FrameChunk> yuv = GenerateAlone(*Load(options), 1, 2, kDenseTenths);
    options.rgb_frames = true;
    const std::vector<FrameChunk> rgb = GenerateAlone(*Load(options), 1, 2, kDenseTenths);
    ASSERT_EQ(rgb.size(), yuv.size());
    for (size_t chunk = 0; chunk < rgb.size(); ++chunk) {
      ASSERT_EQ(rgb[chunk].format, PixelFormat::kRgb24);
      EXPECT_LT(MeanDifference(ToYuv420p(rgb[chunk]), yuv[chunk]), kRoundingTwice) << precision << " chunk " << chunk;
    }
  }
}

TEST(GpuVideoModelTest, LatentsAreTheSameBehindTheirDecode) {
  const auto model = LoadTiny("cuda", "bf16");
  const std::unique_ptr<LatentChunk> latents = FirstLatents(*model, 1);
  ASSERT_NE(latents, nullptr);
  const absl::StatusOr<HalfLatents> before = latents->CopyToHost();
  ASSERT_TRUE(before.ok()) << before.status();
  ASSERT_TRUE(model->Decode(*latents).ok());
  const absl::StatusOr<HalfLatents> behind = latents->CopyToHost();
  ASSERT_TRUE(behind.ok()) << behind.status();
  EXPECT_EQ(*before, *behind);
  model->EndSession(1);
}

TEST(GpuVideoModelTest, Fp32MakesTheVideoThatTheCpuMakes) {
  const auto cpu = LoadTiny("cpu", ""), gpu = LoadTiny("cuda", "fp32");
  for (const RetentionTenths budget : {10, 7}) {
    const auto want = GenerateAlone(*cpu, 1, 5, budget), got = GenerateAlone(*gpu, 1, 5, budget);
    for (int chunk = 0; chunk < 5; ++chunk) {
      EXPECT_LE(MeanDifference(ToYuv420p(want[chunk]), got[chunk]), kRoundingTwice)
          << "chunk " << chunk << ", budget " << budget;
    }
  }
}

std::unique_ptr<VideoModel> LoadWithCache(const std::string& device, const std::string& precision, CacheScore score,
                                          int percent) {
  VideoModelOptions options = TinyOptions(device, precision);
  options.cache_retention = UniformCacheRetention(score, percent, {10, 9, 8, 7, 6, 5});
  return Load(options);
}

TEST(GpuVideoModelTest, HalfOfTheCacheMakesTheVideoThatTheCpuMakes) {
  // Scores by chance have the CPU's bits, so the same keys stay. Others are rounded elsewhere: of keys whose scores are
  // nearly equal another one may stay, and only a mistake shows.
  for (const auto& [score, bound] :
       {std::pair{CacheScore::kRandom, kRoundingTwice}, {CacheScore::kRouter, 2.0}, {CacheScore::kKeyNorm, 2.0}}) {
    const auto cpu = LoadWithCache("cpu", "", score, 50), gpu = LoadWithCache("cuda", "fp32", score, 50);
    EXPECT_EQ(gpu->info().cache_score, CacheScoreName(score));
    for (const RetentionTenths budget : {10, 7}) {
      const Video want = Generate(*cpu, {{1, budget, {}, {}}}, 7)[0], got = Generate(*gpu, {{1, budget, {}, {}}}, 7)[0];
      double most = 0;
      for (int chunk = 0; chunk < 7; ++chunk) {
        most = std::max(most, MeanDifference(ToYuv420p(want.chunks[chunk]), got.chunks[chunk]));
      }
      EXPECT_LE(most, bound) << CacheScoreName(score) << ", budget " << budget;
      EXPECT_EQ(got.past_keys, want.past_keys) << CacheScoreName(score) << ", budget " << budget;
      std::printf("cache 0.5 by %s, budget %d: frames differ by %.3f at most\n", CacheScoreName(score), budget, most);
    }
  }
}

TEST(GpuVideoModelTest, LessOfTheCacheShowsAndAllOfItIsTheSameBitForBit) {
  const auto untouched = LoadTiny("cuda", "bf16");
  const auto all = LoadWithCache("cuda", "bf16", CacheScore::kRouter, 100);
  const auto half = LoadWithCache("cuda", "bf16", CacheScore::kRandom, 50);
  EXPECT_EQ(all->info().session_bytes, untouched->info().session_bytes);
  // A slot is whole tiles of 384 rows, which either window of tiny fits into: past_rows_test sees memory shrink.
  EXPECT_LE(half->info().kv_cache_bytes, untouched->info().kv_cache_bytes);
  for (const RetentionTenths budget : {10, 7}) {
    const auto want = GenerateAlone(*untouched, 1, 6, budget);
    ExpectSameBytes(want, GenerateAlone(*all, 1, 6, budget));
    EXPECT_GT(MeanDifference(want[5], GenerateAlone(*half, 1, 6, budget)[5]), 0) << "budget " << budget;
  }
}

TEST(GpuVideoModelTest, SessionsOfOnePlanKeepTheirOwnShareOfTheCache) {
  VideoModelOptions options = TinyOptions("cuda", "fp32");
  options.cache_retention = CacheRetention{CacheScore::kRandom, {{10, {50}}, {7, {25, 100, 40, 40, 10, 70}}}};
  const auto model = Load(options);
  const std::vector<Video> together =
      Generate(*model, {{1, 10, {}, {}}, {2, 7, {}, {}}, {3, 8, {}, {}}}, 6);  // of budget 8 everything stays
  for (const Video& among : together) {
    const Video alone = Generate(*model, {{among.session + 10, among.budget, {}, {}}}, 6)[0];
    EXPECT_EQ(alone.past_keys, among.past_keys);
    for (int chunk = 0; chunk < 6; ++chunk) {
      EXPECT_LE(MeanDifference(alone.chunks[chunk], among.chunks[chunk]), 0.1) << among.session << ", chunk " << chunk;
    }
  }
}

TEST(GpuVideoModelTest, AScoreThatTheGpuDoesNotHaveIsRefusedByName) {
  VideoModelOptions options = TinyOptions("cuda", "bf16");
  options.cache_retention = UniformCacheRetention(CacheScore::kSaliency, 50, {10});
  EXPECT_THAT(std::string(CreateVideoModel(options).status().message()), HasSubstr("\"saliency\""));
}

TEST(GpuVideoModelTest, TheSameSeedGivesTheSameBytesWhenAlone) {
  const auto model = LoadTiny("cuda", "bf16");
  ExpectSameBytes(GenerateAlone(*model, 1, 4, 8), GenerateAlone(*model, 2, 4, 8));
}

TEST(GpuVideoModelTest, ABudgetOfOneMakesTheBytesOfAModelWithoutRouters) {
  const TinyWithoutRouters folder;
  for (const std::string precision : {"bf16", "fp32"}) {
    const auto routed = LoadTiny("cuda", precision), dense = folder.LoadOnGpu(precision);
    ASSERT_EQ(dense->info().budgets.size(), 1u);
    GenerateAlone(*routed, 1, 2, 7);  // what a routed session leaves behind must not show
    ExpectSameBytes(GenerateAlone(*dense, 2, 6, kDenseTenths), GenerateAlone(*routed, 2, 6, kDenseTenths));
  }
}

TEST(GpuVideoModelTest, DecodingAsOneGraphChangesNoByte) {
  VideoModelOptions options = TinyOptions("cuda", "bf16");
  const auto graph = Load(options);
  options.decode_graph = false;
  const auto plain = Load(options);
  for (const std::vector<Video>& videos : {std::vector<Video>{{1, 10, {}, {}}, {2, 10, {}, {}}}, {{3, 10, {}, {}}}}) {
    const auto want = Generate(*plain, videos, 4), got = Generate(*graph, videos, 4);
    for (size_t i = 0; i < videos.size(); ++i) ExpectSameBytes(want[i].chunks, got[i].chunks);
  }
}

TEST(GpuVideoModelTest, SessionsOfOnePlanMakeVideosLikeTheirOwnAtTheirOwnBudgets) {
  const auto model = LoadTiny("cuda", "fp32");
  const std::vector<Video> together = Generate(*model, {{1, 10, {}, {}}, {2, 7, {}, {}}, {3, 10, {}, {}}}, 4);
  for (const Video& among : together) {
    const auto alone = GenerateAlone(*model, among.session + 10, 4, among.budget);
    for (int chunk = 0; chunk < 4; ++chunk) {
      EXPECT_LE(MeanDifference(alone[chunk], among.chunks[chunk]), 0.1) << among.session << ", chunk " << chunk;
    }
  }
  EXPECT_GT(MeanDifference(together[0].chunks[3], together[1].chunks[3]), 0.1) << "budgets that show";
}

TEST(GpuVideoModelTest, ASlotIsRefusedWhenAllAreTakenAndFreeAgainAfterASessionEnds) {
  const auto model = LoadTiny("cuda", "bf16");
  for (SessionId session = 1; session <= 3; ++session) ASSERT_TRUE(model->BeginSession(session, 1).ok());
  const absl::Status refused = model->BeginSession(4, 1);
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("all 3 slots"));
  model->EndSession(2);
  EXPECT_TRUE(model->BeginSession(4, 1).ok());
}

TEST(GpuVideoModelTest, AWrongPrecisionIsNamed) {
  EXPECT_THAT(std::string(CreateVideoModel(TinyOptions("cuda", "fp4")).status().message()), HasSubstr("fp4"));
}

}  // namespace
}  // namespace videodiffcr
