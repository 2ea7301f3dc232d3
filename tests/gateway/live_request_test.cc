#include "gateway/live/live_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "client/call_status.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

TEST(LiveRequestTest, EveryFieldReachesTheFirstMessage) {
  const auto request = ParseLiveRequest(R"({"prompt": "a", "seed": "18446744073709551615", "budget": 0.8, "floor": 0.7,
      "length_chunks": 9, "start_buffer_seconds": 1.5, "run_ahead_chunks": 2,
      "changes": [{"chunk": 4, "prompt": "b"}, {"chunk": 6, "budget": 0.9, "scene_cut": true}]})");
  ASSERT_TRUE(request.ok()) << request.status();
  const v1::SessionConfig config = ToSessionConfig(*request);
  EXPECT_EQ(config.prompt(), "a");
  EXPECT_EQ(config.seed(), UINT64_MAX);
  EXPECT_EQ(config.retention().target(), 0.8);
  EXPECT_EQ(config.retention().floor(), 0.7);
  EXPECT_EQ(config.length_chunks(), 9);
  EXPECT_EQ(config.playout().start_buffer().nanos(), 500'000'000);
  EXPECT_EQ(config.run_ahead_limit_chunks(), 2);
  EXPECT_EQ(config.initial_chunk_credits(), 4);
}

TEST(LiveRequestTest, WhatASessionHasBecomeReplaysIt) {
  const auto request = ParseLiveRequest(R"({"prompt": "a", "budget": 0.8, "floor": 0.7, "length_chunks": 9})");
  ASSERT_TRUE(request.ok()) << request.status();
  PlannedChange prompt, cut;
  prompt.prompt = "b";
  cut.retention_target = 0.9;
  cut.scene_cut = true;
  const auto replay = ReplayJson(*request, UINT64_MAX, {{4, prompt}, {6, cut}}, 0);
  EXPECT_EQ(replay["changes"].dump(), R"([{"chunk":4,"prompt":"b"},{"budget":0.9,"chunk":6,"scene_cut":true}])");
  const auto again = ParseLiveRequest(replay.dump());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->seed, UINT64_MAX);
  EXPECT_EQ(ReplayJson(*again, again->seed, again->changes, 0), replay);
  EXPECT_FALSE(again->floor.has_value());  // a busy server would make another video of it
}

TEST(LiveRequestTest, WhatHasEndedIsReplayedToItsLastChunk) {
  const auto request = ParseLiveRequest(R"({"prompt": "a"})");
  ASSERT_TRUE(request.ok()) << request.status();
  PlannedChange change;
  change.prompt = "b";
  const auto again = ParseLiveRequest(ReplayJson(*request, 7, {{2, change}, {5, change}}, 5).dump());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->length_chunks, 5);
  EXPECT_EQ(again->changes.size(), 1u);  // the other was for a chunk that never came
}

TEST(LiveRequestTest, AReplayHasTheBudgetsThatChunksHadWhoeverChoseThem) {
  std::map<int64_t, PlannedChange> applied;
  applied[2].retention_target = 0.7;  // asked for while a busy server was below that already
  applied[4].prompt = "b";
  applied[4].retention_target = 0.7;
  const double used[] = {0.9, 0.5, 0.5, 0.5, 0.5, 0.7};
  double before = 0.9;
  for (int64_t chunk = 0; chunk < 6; ++chunk)
    RecordBudget(chunk, std::exchange(before, used[chunk]), used[chunk], &applied);
  const auto replay = ReplayJson(LiveRequest(), 7, applied, 6);
  EXPECT_EQ(replay["changes"].dump(),
            R"([{"budget":0.5,"chunk":1},{"chunk":4,"prompt":"b"},{"budget":0.7,"chunk":5}])");
}

TEST(LiveRequestTest, AChangeBeforeTheFirstChunkIsPartOfTheStart) {
  const auto request = ParseLiveRequest(R"({"prompt": "a", "length_chunks": 9})");
  ASSERT_TRUE(request.ok()) << request.status();
  PlannedChange change;
  change.prompt = "b";
  change.retention_target = 0.9;
  const auto again = ParseLiveRequest(ReplayJson(*request, 7, {{0, change}}, 0).dump());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->prompt, "b");
  EXPECT_EQ(again->budget, 0.9);
  EXPECT_TRUE(again->changes.empty());
}

TEST(LiveRequestTest, WhatIsWrongIsNamedWithItsValue) {
  const std::pair<const char*, const char*> cases[] = {
      {"nonsense", "one JSON object"},
      {"[]", "one JSON object"},
      {R"({"prompt": 7})", "prompt is 7; it must be a string"},
      {R"({"promt": "a"})", "no field \"promt\""},
      {R"({"seed": -1})", "seed is -1"},
      {R"({"seed": "x"})", "seed is \"x\""},
      {R"({"budget": 1.5})", "budget is 1.5; it must be a number from 0 to 1"},
      {R"({"budget": "1"})", "budget is \"1\""},
      {R"({"length_chunks": 1.5})", "length_chunks is 1.5"},
      {R"({"length_chunks": 18446744073709551615})", "length_chunks is 18446744073709551615"},
      {R"({"run_ahead_chunks": 0})", "run_ahead_chunks is 0"},
      {R"({"run_ahead_chunks": 65})", "from 1 to 64"},
      {R"({"start_buffer_seconds": 60.5})", "from 0 to 60"},
      {R"({"changes": {}})", "changes is {}"},
      {R"({"changes": [7]})", "changes[0] must be a JSON object"},
      {R"({"changes": [{"chunk": 3}]})", "changes[0] must hold a prompt"},
      {R"({"changes": [{"chunk": 0, "prompt": "b"}]})", "changes[0].chunk is 0"},
      {R"({"changes": [{"chunk": 3, "prompt": "b"}, {"chunk": 3, "prompt": "c"}]})", "changes[1].chunk is 3"},
      {R"({"length_chunks": 3, "changes": [{"chunk": 3, "prompt": "b"}]})", "from 1 to 2"}};
  for (const auto& [body, message] : cases) {
    const absl::Status status = ParseLiveRequest(body).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << body;
    EXPECT_THAT(std::string(status.message()), HasSubstr(message)) << body;
    EXPECT_TRUE(ErrorInfoOf(status).has_value()) << body;
  }
}

TEST(LiveRequestTest, ABodyThatIsNestedDeeplyIsRefusedAndNothingElse) {
  EXPECT_FALSE(ParseLiveRequest(std::string(60'000, '[')).ok());
  const std::string nested = "{\"prompt\":" + std::string(30'000, '[') + std::string(30'000, ']') + "}";
  EXPECT_THAT(std::string(ParseLiveRequest(nested).status().message()), HasSubstr("at most 16 deep"));
}

TEST(LiveRequestTest, EachControlKnowsItsFieldsAndNoOther) {
  EXPECT_EQ(ParseLiveControl("prompt", R"({"prompt": "b"})")->change.prompt, "b");
  EXPECT_EQ(ParseLiveControl("budget", R"({"budget": 0.7})")->change.retention_target, 0.7);
  EXPECT_TRUE(ParseLiveControl("scene-cut", "")->change.scene_cut);
  EXPECT_EQ(ParseLiveControl("pause", "")->kind, LiveControl::Kind::kPause);
  EXPECT_THAT(std::string(ParseLiveControl("prompt", "{}").status().message()), HasSubstr("prompt must be set"));
  EXPECT_THAT(std::string(ParseLiveControl("pause", R"({"prompt": "b"})").status().message()),
              HasSubstr("no field \"prompt\""));
  EXPECT_EQ(ParseLiveControl("explode", "").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace videodiffcr
