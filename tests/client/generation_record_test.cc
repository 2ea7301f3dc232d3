#include "client/generation_record.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

const absl::Time kStart = absl::UnixEpoch() + absl::Hours(1);

// Twelve frames, three quarters of a second.
v1::VideoChunk Chunk(int64_t sequence, double nominal, double executed) {
  v1::VideoChunk chunk;
  chunk.set_sequence(sequence);
  chunk.set_frame_count(12);
  chunk.mutable_presentation_start()->set_nanos(static_cast<int32_t>(sequence * 750'000'000));
  chunk.mutable_presentation_duration()->set_nanos(750'000'000);
  chunk.mutable_retention()->set_nominal(nominal);
  chunk.mutable_retention()->set_executed(executed);
  return chunk;
}

class GenerationRecordTest : public ::testing::Test {
 protected:
  GenerationRecordTest() {
    options_.prompt = "a red circle";
    options_.chunks = 3;
    options_.changes[1].prompt = "a blue square";
    options_.changes[2].retention_target = 0.7;
  }
  GenerateOptions options_;
  GenerationRecord record_{options_, kStart};
};

TEST_F(GenerationRecordTest, TheProgressIsThatOfTheChunksSoFarAndTheSlackOfTheLatest) {
  v1::VideoChunk late = Chunk(0, 1, 1);
  late.mutable_slack()->set_nanos(-500'000'000);
  record_.AddChunk(late, kStart + absl::Seconds(1));
  EXPECT_EQ(record_.Progress().slack_seconds, -0.5);
  record_.AddChunk(Chunk(1, 0.7, 0.73), kStart + absl::Seconds(2));
  const ProgressFigures figures = record_.Progress();
  EXPECT_EQ(figures.chunks, 2);
  EXPECT_EQ(figures.length_chunks, 3);
  EXPECT_EQ(figures.frames, 24);
  EXPECT_EQ(figures.frames_per_second, 12);
  EXPECT_EQ(figures.slack_seconds, std::nullopt);
  EXPECT_EQ(figures.nominal_retention, 0.7);
  EXPECT_EQ(figures.executed_retention, 0.73);
}

TEST_F(GenerationRecordTest, CaptionsAreThePromptsWithTheTimesFromWhichTheyShow) {
  for (int i = 0; i < 3; ++i) record_.AddChunk(Chunk(i, 1, 1), kStart + absl::Seconds(1 + i));
  EXPECT_THAT(record_.PromptLines(), ElementsAre("0.00 s: a red circle", "0.75 s: a blue square"));
}

TEST_F(GenerationRecordTest, TheSummarySaysHowMuchOfTheCacheWasSeenOnlyWhereThatWasLessThanAll) {
  for (const double seen : {1.0, 0.5}) {
    GenerationRecord record(options_, kStart);
    for (int i = 0; i < 2; ++i) {
      v1::VideoChunk chunk = Chunk(i, 1, 1);
      chunk.mutable_retention()->set_executed_cache(i == 0 ? 1.0 : seen);
      record.AddChunk(chunk, kStart + absl::Seconds(1 + i));
    }
    if (seen < 1) {
      EXPECT_THAT(record.Summary(), HasSubstr("  cache                0.750 of it seen\n"));
    } else {
      EXPECT_THAT(record.Summary(), Not(HasSubstr("cache")));
    }
  }
}

TEST_F(GenerationRecordTest, TheSummaryHoldsTheFiguresOfTheWholeGeneration) {
  v1::SessionStarted started;
  started.set_width(160);
  started.set_height(96);
  started.set_frames_per_second(16);
  started.set_seed(7);
  record_.AddStarted(started);
  v1::VideoChunk late = Chunk(0, 1, 1);
  late.mutable_slack()->set_nanos(-1);
  record_.AddChunk(late, kStart + absl::Milliseconds(250));
  v1::VideoChunk just_in_time = Chunk(1, 0.7, 0.73);
  just_in_time.mutable_slack();
  record_.AddChunk(just_in_time, kStart + absl::Milliseconds(750));
  EXPECT_EQ(record_.Summary(),
            "2 chunks, 24 frames, 1.50 s of video, 160x96 at 16 fps, seed 7\n"
            "  time to first chunk  0.250 s\n"
            "  frames per second    32.0 (2.0 times playing speed)\n"
            "  retention            nominal 0.850, executed 0.865\n"
            "  late chunks          1 of 2\n");
}

TEST_F(GenerationRecordTest, TheSummarySaysWhenTheFirstFramesCameWhereTheyCameAheadOfTheirChunk) {
  record_.AddChunk(Chunk(0, 1, 1), kStart + absl::Seconds(1));
  EXPECT_THAT(record_.Summary(), Not(HasSubstr("time to first frames")));
  record_.AddFirstFrames(kStart + absl::Milliseconds(500));
  EXPECT_THAT(record_.Summary(), HasSubstr("time to first frames 0.500 s\n  time to first chunk  1.000 s\n"));
}

TEST_F(GenerationRecordTest, WithoutDeadlinesNothingIsSaidOfLateChunks) {
  options_.playout_seconds.reset();
  record_.AddChunk(Chunk(0, 1, 1), kStart + absl::Seconds(1));
  EXPECT_THAT(record_.Summary(), Not(HasSubstr("late")));
  EXPECT_THAT(record_.Summary(), Not(HasSubstr("playing speed"))) << "the server did not say how fast it plays";
}

}  // namespace
}  // namespace videodiffcr
