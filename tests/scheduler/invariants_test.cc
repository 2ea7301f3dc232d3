#include "scheduler/invariants.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Two running sessions and one that waits: a sound snapshot.
Snapshot Sound() {
  Snapshot snapshot;
  snapshot.session_bytes = 100;
  snapshot.memory_budget_bytes = 200;
  snapshot.memory_reserved_bytes = 200;
  snapshot.max_sessions = 4;
  snapshot.max_waiting_sessions = 2;
  snapshot.max_sessions_per_plan = 2;
  snapshot.denoise_steps = 4;
  for (SessionId id = 1; id <= 3; ++id) {
    SessionView view;
    view.id = id;
    view.admitted = id < 3;
    view.state = view.admitted ? SessionState::kGenerating : SessionState::kWaiting;
    if (view.admitted) {
      view.chunks_made = 5;
      view.chunks_delivered = 4;
      view.chunks_in_delivery = 1;
      view.chunks_undecoded = 1;
      view.next_step.emplace();
      view.next_step->session = id;
      view.next_step->chunk = 5;
    }
    snapshot.sessions.push_back(view);
  }
  return snapshot;
}

StepPlan PlanOf(const Snapshot& snapshot) {
  StepPlan plan;
  for (const SessionView& session : snapshot.sessions) {
    if (session.next_step.has_value()) plan.steps.push_back(*session.next_step);
  }
  return plan;
}

TEST(InvariantsTest, ASoundSnapshotAndItsPlanHaveNoViolation) {
  const Snapshot snapshot = Sound();
  EXPECT_THAT(FindViolations(snapshot), IsEmpty());
  EXPECT_THAT(FindViolations(snapshot, PlanOf(snapshot)), IsEmpty());
}

TEST(InvariantsTest, EverythingAtItsLimitIsSound) {
  Snapshot snapshot = Sound();
  snapshot.max_sessions = 2;
  snapshot.max_waiting_sessions = 1;
  snapshot.sessions[0].chunks_in_delivery = kMaxChunksInDelivery;
  snapshot.sessions[0].chunks_delivered = 3;
  snapshot.sessions[0].chunks_left = 0;
  snapshot.sessions[0].next_step->step = 3;
  EXPECT_THAT(FindViolations(snapshot), IsEmpty());
}

// One broken field each, and the sentence that must name it.
struct Break {
  const char* sentence;
  void (*apply)(Snapshot* snapshot);
};

class InvariantsTableTest : public ::testing::TestWithParam<Break> {};

TEST_P(InvariantsTableTest, ABrokenSnapshotIsNamed) {
  Snapshot snapshot = Sound();
  GetParam().apply(&snapshot);
  EXPECT_THAT(FindViolations(snapshot), ::testing::Contains(HasSubstr(GetParam().sentence)));
}

const Break kBreaks[] = {
    {"300 bytes are reserved for 2 sessions", [](Snapshot* s) { s->memory_reserved_bytes = 300; }},
    {"200 bytes are reserved of a budget of 150", [](Snapshot* s) { s->memory_budget_bytes = 150; }},
    {"2 sessions are admitted of 1", [](Snapshot* s) { s->max_sessions = 1; }},
    {"1 sessions wait of 0", [](Snapshot* s) { s->max_waiting_sessions = 0; }},
    {"1 sessions wait although there is room", [](Snapshot* s) { s->memory_budget_bytes = 300; }},
    {"session 1 comes after 1", [](Snapshot* s) { s->sessions[1].id = 1; }},
    {"waits and holds memory", [](Snapshot* s) { s->sessions[0].state = SessionState::kWaiting; }},
    {"chunk credits are -1", [](Snapshot* s) { s->sessions[0].chunk_credits = -1; }},
    {"-1 chunks are between engine and sink", [](Snapshot* s) { s->sessions[0].chunks_in_delivery = -1; }},
    {"-1 chunks are undecoded", [](Snapshot* s) { s->sessions[0].chunks_undecoded = -1; }},
    {"next pass is -1 of 4", [](Snapshot* s) { s->sessions[0].next_step->step = -1; }},
    {"3 chunks are between engine and sink", [](Snapshot* s) { s->sessions[0].chunks_in_delivery = 3; }},
    {"2 chunks are undecoded of 1 in delivery", [](Snapshot* s) { s->sessions[0].chunks_undecoded = 2; }},
    {"5 chunks delivered and 1 in delivery, but only 5 made", [](Snapshot* s) { s->sessions[0].chunks_delivered = 5; }},
    {"made more chunks than were asked for", [](Snapshot* s) { s->sessions[0].chunks_left = -1; }},
    {"has a next step but no memory", [](Snapshot* s) { s->sessions[0].admitted = false; }},
    {"its next step belongs to session 9", [](Snapshot* s) { s->sessions[0].next_step->session = 9; }},
    {"next pass is 4 of 4", [](Snapshot* s) { s->sessions[0].next_step->step = 4; }},
    {"next step is of chunk 6, not 5", [](Snapshot* s) { s->sessions[0].next_step->chunk = 6; }},
    {"next step is of chunk 5, not 4", [](Snapshot* s) { s->sessions[0].next_step->kind = StepKind::kContext; }},
    {"a text step without a prompt", [](Snapshot* s) { s->sessions[0].next_step->kind = StepKind::kText; }},
};

INSTANTIATE_TEST_SUITE_P(Each, InvariantsTableTest, ::testing::ValuesIn(kBreaks));

TEST(InvariantsTest, APlanThatLeavesReadySessionsIdleIsNamed) {
  EXPECT_THAT(FindViolations(Sound(), StepPlan()), ElementsAre("2 sessions are ready, the plan holds 0"));
}

TEST(InvariantsTest, APlanWithASessionTwiceOrTooManyIsNamed) {
  Snapshot snapshot = Sound();
  StepPlan plan = PlanOf(snapshot);
  plan.steps.push_back(plan.steps[0]);
  EXPECT_THAT(FindViolations(snapshot, plan),
              ElementsAre("the plan holds 3 sessions of 2", "session 1 is planned twice or without being ready"));
}

TEST(InvariantsTest, WithoutAViolationTheProcessGoesOn) { DieOnViolations({}); }

TEST(InvariantsDeathTest, AViolationEndsTheProcessAndSaysWhy) {
  EXPECT_DEATH(DieOnViolations({"memory is lost"}), "scheduler invariant broken: memory is lost");
}

}  // namespace
}  // namespace videodiffcr
