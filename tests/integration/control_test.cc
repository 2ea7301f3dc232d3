// Controls of a running session, over real sockets with the fake model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/session_messages.h"
#include "tests/integration/test_server.h"
#include "tests/integration/test_stream.h"

namespace videodiffcr {
namespace {

using Response = v1::StreamVideoResponse;

TEST(ControlTest, GenerationStopsWhenCreditsAreSpentAndGoesOnWithNewOnes) {
  TestServer server;
  TestStream stream(server.NewConnection(), WithChunkCredits(SmallConfig(4), 2));
  ASSERT_TRUE(stream.WaitForState(v1::SESSION_STATE_BLOCKED));
  const int64_t plans = server.model().plans_run();
  // Somebody else's whole session fits into the pause, and the blocked one takes no step meanwhile.
  TestStream other(server.NewConnection(), SmallConfig(1, 99));
  EXPECT_TRUE(other.status().ok());
  EXPECT_LE(server.model().plans_run(), plans + 6) << "text, four passes, one context pass";
  stream.Send(ChunkCreditRequest(2));
  const auto finished = stream.NextOf(Response::kFinished);
  ASSERT_TRUE(finished.has_value());
  EXPECT_EQ(finished->finished().chunks(), 4);
}

TEST(ControlTest, ByteCreditsStopGenerationToo) {
  TestServer server;
  v1::SessionConfig config = RawConfig(3, 5);
  config.set_initial_byte_credits(1);
  TestStream stream(server.NewConnection(), config);
  ASSERT_TRUE(stream.NextChunk().has_value()) << "the chunk that crosses the line is still sent";
  ASSERT_TRUE(stream.WaitForState(v1::SESSION_STATE_BLOCKED));
  stream.Send(ByteCreditRequest(int64_t{1} << 30));
  EXPECT_EQ(stream.NextOf(Response::kFinished)->finished().chunks(), 3);
}

TEST(ControlTest, APausedSessionMakesNoChunkUntilUnpaused) {
  TestServer server;
  TestStream stream(server.NewConnection(), WithChunkCredits(SmallConfig(0), 1));
  ASSERT_TRUE(stream.WaitForState(v1::SESSION_STATE_BLOCKED));
  stream.Send(PauseRequest());
  ASSERT_TRUE(stream.WaitForState(v1::SESSION_STATE_PAUSED));
  const int64_t plans = server.model().plans_run();
  stream.Send(ChunkCreditRequest(1));
  // Messages of one stream keep their order, so when the unpause is answered the credit was taken over, too.
  EXPECT_EQ(server.model().plans_run(), plans);
  stream.Send(UnpauseRequest());
  ASSERT_TRUE(stream.WaitForState(v1::SESSION_STATE_GENERATING));
  EXPECT_EQ(stream.NextChunk()->sequence(), 1);
}

TEST(ControlTest, APromptUpdateNamesTheFirstChunkItChanges) {
  TestServer server;
  TestStream stream(server.NewConnection(), WithChunkCredits(RawConfig(5, 5), 2));
  ASSERT_TRUE(stream.WaitForState(v1::SESSION_STATE_BLOCKED));
  stream.Send(PromptRequest("a blue square", 77));
  stream.Send(ChunkCreditRequest(3));
  const auto applied = stream.NextOf(Response::kUpdateApplied);
  ASSERT_TRUE(applied.has_value());
  EXPECT_EQ(applied->update_applied().update_id(), 77);
  EXPECT_EQ(applied->update_applied().first_chunk(), 2);
  while (const auto chunk = stream.NextChunk()) {
    EXPECT_EQ(IdentityOf(*chunk).prompt_hash,
              HashPrompt(chunk->sequence() < 2 ? "a red circle moves right" : "a blue square"));
  }
  EXPECT_TRUE(stream.status().ok());
}

TEST(ControlTest, ABudgetUpdateChangesTheRetentionOfLaterChunks) {
  TestServer server;
  TestStream stream(server.NewConnection(), WithChunkCredits(RawConfig(4, 5), 2));
  ASSERT_TRUE(stream.WaitForState(v1::SESSION_STATE_BLOCKED));
  stream.Send(BudgetRequest(0.7));
  stream.Send(ChunkCreditRequest(2));
  bool told = false;
  for (const Response& response : stream.Rest()) {
    if (response.has_budget_changed()) {
      told = true;
      EXPECT_EQ(response.budget_changed().retention_target(), 0.7);
      EXPECT_EQ(response.budget_changed().first_chunk(), 2);
      EXPECT_EQ(response.budget_changed().origin(), v1::BUDGET_ORIGIN_CLIENT);
    }
    if (response.has_chunk() && response.chunk().sequence() >= 2) {
      EXPECT_EQ(response.chunk().retention().nominal(), 0.7);
      EXPECT_LT(response.chunk().retention().executed(), 1.0);
      EXPECT_EQ(IdentityOf(response.chunk()).budget, 7);
    }
  }
  EXPECT_TRUE(told);
}

TEST(ControlTest, ASceneCutBeginsANewSceneAtTheNextChunk) {
  TestServer server;
  TestStream stream(server.NewConnection(), WithChunkCredits(SmallConfig(4), 2));
  ASSERT_TRUE(stream.WaitForState(v1::SESSION_STATE_BLOCKED));
  stream.Send(SceneCutRequest("a blue square", 8));
  stream.Send(ChunkCreditRequest(2));
  EXPECT_EQ(stream.NextOf(Response::kUpdateApplied)->update_applied().first_chunk(), 2);
  const auto first = stream.NextChunk();
  EXPECT_TRUE(first->scene_start());
  EXPECT_EQ(first->frame_count(), 9) << "the first chunk of a scene is shorter";
  const auto second = stream.NextChunk();
  EXPECT_FALSE(second->scene_start());
  EXPECT_EQ(second->first_frame(), first->first_frame() + 9);
  EXPECT_TRUE(stream.status().ok());
}

TEST(ControlTest, FinishEndsTheSessionAfterTheChunkInProgress) {
  TestServer server;
  TestStream stream(server.NewConnection(), WithChunkCredits(SmallConfig(0), 3));
  EXPECT_EQ(stream.NextOf(Response::kStarted)->started().length_chunks(), 0);
  ASSERT_TRUE(stream.WaitForState(v1::SESSION_STATE_BLOCKED));
  stream.Send(FinishRequest());
  const auto finished = stream.NextOf(Response::kFinished);
  ASSERT_TRUE(finished.has_value());
  EXPECT_EQ(finished->finished().chunks(), 3);
  EXPECT_EQ(finished->finished().reason(), "FINISH_REQUESTED");
  EXPECT_TRUE(stream.status().ok());
}

TEST(ControlTest, UnknownWordsOfANewPromptAreAWarning) {
  ModelInfo info = FakeVideoModel::SmallInfo();
  info.vocabulary = {"a", "red", "circle", "moves", "right"};
  TestServer server(TestConfig(), info);
  TestStream stream(server.NewConnection(), WithChunkCredits(SmallConfig(2), 1));
  ASSERT_TRUE(stream.WaitForState(v1::SESSION_STATE_BLOCKED));
  stream.Send(PromptRequest("a purple circle"));
  const auto warning = stream.NextOf(Response::kWarning);
  ASSERT_TRUE(warning.has_value());
  EXPECT_EQ(warning->warning().reason(), "UNKNOWN_WORDS");
  EXPECT_THAT(warning->warning().details(), testing::ElementsAre("purple"));
}

TEST(ControlTest, ControlsThatCrossTheEndOfTheSessionOnTheirWayAreNoError) {
  TestServer server;
  TestStream stream(server.NewConnection(), WithChunkCredits(SmallConfig(2), 1));
  ASSERT_TRUE(stream.WaitForState(v1::SESSION_STATE_BLOCKED));
  // The last credit ends the session; what follows it comes to a session that is finishing or gone.
  stream.Send(ChunkCreditRequest(1));
  for (int i = 0; i < 10; ++i) stream.Send(ChunkCreditRequest(1));
  stream.Send(FinishRequest());
  EXPECT_TRUE(stream.status().ok()) << stream.status().error_message();
}

}  // namespace
}  // namespace videodiffcr
