// What a server writes into a snapshot at the ends of what a session can be, another server takes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/rpc/scene_history.h"
#include "server/rpc/session_snapshot.h"
#include "tests/fakes/fake_video_model.h"

namespace videodiffcr {
namespace {

const absl::Time kNow = absl::UnixEpoch() + absl::Hours(500'000);

class SnapshotExtremesTest : public ::testing::Test {
 protected:
  SnapshotExtremesTest() {
    config_.set_prompt("a red circle");
    config_.set_initial_chunk_credits(1);
    config_.set_initial_byte_credits(1);
    outstanding_.prompt = config_.prompt();
    outstanding_.chunk_credits = outstanding_.byte_credits = 1;
  }
  // The session that goes on from a snapshot of this one.
  SessionPlan HandOver() const {
    const SceneHistory nothing_yet(model_.info());
    const SessionFacts facts = {config_, 7, nothing_yet, outstanding_, 0, kNow};
    absl::StatusOr<SessionPlan> plan =
        PlanFromSnapshot(MakeSnapshotState(facts, "fake"), /*one_clip=*/false, model_, RpcLimits(), kNow);
    EXPECT_TRUE(plan.ok()) << plan.status();
    return plan.ok() ? *std::move(plan) : SessionPlan();
  }

  const FakeVideoModel model_;
  v1::SessionConfig config_;
  Outstanding outstanding_;
};

TEST_F(SnapshotExtremesTest, CreditsOfManyGrantsAreAsManyAsOneMessageMayGrant) {
  outstanding_.chunk_credits = 5 * kMaxChunkCredits;
  outstanding_.byte_credits = 5 * kMaxByteCredits;
  EXPECT_EQ(HandOver().request.chunk_credits, kMaxChunkCredits);
  EXPECT_EQ(HandOver().request.byte_credits, kMaxByteCredits);
}

TEST_F(SnapshotExtremesTest, ADebtOfBytesIsForgiven) {
  outstanding_.byte_credits = -100'000;
  EXPECT_EQ(HandOver().request.byte_credits, 0);
}

TEST_F(SnapshotExtremesTest, ASessionThatIsHoursLateOrEarlyCountsAsAnHourLateOrEarly) {
  outstanding_.due = -absl::Hours(5);
  EXPECT_EQ(HandOver().request.continuation->due, -absl::Hours(1));
  outstanding_.due = absl::Hours(5);
  EXPECT_EQ(HandOver().request.continuation->due, absl::Hours(1));
}

TEST_F(SnapshotExtremesTest, ASessionThatIsToFinishBeforeItsFirstChunkDoesNotGoOnForEver) {
  outstanding_.finishing = true;
  EXPECT_EQ(HandOver().request.length_chunks, 1);
}

}  // namespace
}  // namespace videodiffcr
