// Snapshots of sessions: what they hold, that another server goes on from them, and what is said of bad ones.
#include "server/rpc/session_snapshot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/escaping.h"
#include "server/rpc/error_details.h"
#include "tests/server/rpc/call_fixture.h"

namespace videodiffcr {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class SessionSnapshotTest : public CallFixture {
 protected:
  static v1::SessionConfig Resumable(int length_chunks, int interval = 0) {
    v1::SessionConfig config = Config(length_chunks);
    config.set_resumable(true);
    config.set_snapshot_interval_chunks(interval);
    return config;
  }
  std::vector<v1::SessionSnapshot> Snapshots() const {
    std::vector<v1::SessionSnapshot> snapshots;
    for (const v1::StreamVideoResponse& response : transport_.responses()) {
      if (response.has_snapshot()) snapshots.push_back(response.snapshot());
    }
    return snapshots;
  }
  // Of a session of four chunks, behind its second.
  v1::SessionSnapshot SecondOfFour() {
    call_->Start(Resumable(4, 2));
    ReadToTheEnd();
    const std::vector<v1::SessionSnapshot> snapshots = Snapshots();
    EXPECT_EQ(snapshots.size(), 2u);
    return snapshots.at(0);
  }
  // All that a call answers to a session that goes on.
  std::vector<v1::StreamVideoResponse> GoOn(const v1::SessionSnapshot& snapshot, grpc::Status* end = nullptr) {
    FakeTransport transport;
    const auto call =
        SessionCall::Create(RpcMethod::kStreamVideo, Caller{"ipv4:127.0.0.1:6", {}, nullptr}, environment_, &transport);
    v1::ResumeRequest resume;
    *resume.mutable_snapshot() = snapshot;
    call->Resume(resume);
    while (!transport.end().has_value()) {
      EXPECT_TRUE(transport.WaitForWriteOrEnd());
      if (transport.TakeWrite()) call->OnWriteDone(true);
    }
    if (end != nullptr) *end = *transport.end();
    return transport.responses();
  }
  // What is answered to a snapshot that is sealed, and spoiled.
  std::string Refusal(v1::SnapshotState state, const std::function<void(v1::SnapshotState*)>& spoil) {
    spoil(&state);
    grpc::Status end;
    GoOn(seal_.Close(state), &end);
    return end.error_message();
  }
  static std::vector<v1::VideoChunk> ChunksOf(const std::vector<v1::StreamVideoResponse>& responses) {
    std::vector<v1::VideoChunk> chunks;
    for (const v1::StreamVideoResponse& response : responses) {
      if (response.has_chunk()) chunks.push_back(response.chunk());
    }
    return chunks;
  }
};

TEST_F(SessionSnapshotTest, AnotherSessionGoesOnWithTheNextChunkNumberAndTheSameFrames) {
  const v1::SessionSnapshot snapshot = SecondOfFour();
  EXPECT_EQ(snapshot.next_sequence(), 2);
  const std::vector<v1::VideoChunk> whole = ChunksOf(transport_.responses());
  const std::vector<v1::StreamVideoResponse> responses = GoOn(snapshot);
  const v1::SessionStarted& started = responses.front().started();
  EXPECT_TRUE(started.resumed());
  EXPECT_EQ(started.next_sequence(), 2);
  EXPECT_EQ(started.seed(), 7u);
  EXPECT_EQ(started.length_chunks(), 4);
  const std::vector<v1::VideoChunk> rest = ChunksOf(responses);
  ASSERT_EQ(rest.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(rest[i].sequence(), whole[i + 2].sequence());
    EXPECT_EQ(rest[i].first_frame(), whole[i + 2].first_frame());
    EXPECT_EQ(rest[i].payload(), whole[i + 2].payload());
  }
  EXPECT_EQ(responses.back().finished().chunks(), 4);
}

// Its first chunk was two fragments, so its second is the third, wherever it is made.
TEST_F(SessionSnapshotTest, AnotherSessionGoesOnBehindAFirstFragmentAndSendsNone) {
  v1::SessionConfig config = Resumable(4, 2);
  config.mutable_output()->set_codec(v1::CODEC_H264);
  call_->Start(WithFirstFragment(config, 1));
  ReadToTheEnd();
  const std::vector<v1::VideoChunk> whole = ChunksOf(transport_.responses());
  const std::vector<v1::StreamVideoResponse> responses = GoOn(Snapshots().at(0));
  for (const v1::StreamVideoResponse& response : responses) EXPECT_FALSE(response.has_first_fragment());
  const std::vector<v1::VideoChunk> rest = ChunksOf(responses);
  ASSERT_EQ(rest.size(), 2u);
  // The number of a fragment stands in its mfhd box, behind its version and flags.
  const auto number_of = [](const v1::VideoChunk& chunk) {
    return chunk.payload().substr(chunk.payload().find("mfhd") + 8, 4);
  };
  for (size_t i = 0; i < 2; ++i) EXPECT_EQ(number_of(rest[i]), number_of(whole[i + 2]));
  EXPECT_EQ(number_of(rest[0]), std::string("\0\0\0\4", 4));
}

TEST_F(SessionSnapshotTest, OneComesWhenItIsAskedForAndKnowsWhatTheClientHasSaid) {
  v1::SessionConfig config = Resumable(0);
  config.set_initial_chunk_credits(1);
  call_->Start(config);
  ASSERT_TRUE(WaitUntilAChunkWaits());
  call_->Control(Update("a blue square"));
  v1::StreamVideoRequest ask;
  ask.mutable_snapshot();
  call_->Control(ask);
  while (Snapshots().empty()) ASSERT_NO_FATAL_FAILURE(FinishOneWrite());
  const absl::StatusOr<v1::SnapshotState> state = seal_.Open(Snapshots()[0]);
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_EQ(state->config().prompt(), "a blue square");
  EXPECT_EQ(state->config().initial_chunk_credits(), 0);
  EXPECT_EQ(state->controls_received(), 2);
  EXPECT_THAT(state->prompts(), ElementsAre("a red circle"));
  EXPECT_EQ(state->chunks(), 1);
  EXPECT_EQ(state->frames(), 9);
  call_->OnCancel();
}

// What of a chunk stays in the cache is up to its budget.
TEST_F(SessionSnapshotTest, EachChunkCarriesTheBudgetThatItWasMadeAt) {
  v1::SessionConfig config = Resumable(3, 2);
  config.mutable_retention()->set_target(0.8);
  call_->Start(config);
  ReadToTheEnd();
  absl::StatusOr<v1::SnapshotState> state = seal_.Open(Snapshots().at(0));
  ASSERT_TRUE(state.ok()) << state.status();
  ASSERT_EQ(state->scene_size(), 2);
  EXPECT_DOUBLE_EQ(state->scene(0).retention(), 0.8);
  EXPECT_DOUBLE_EQ(state->scene(1).retention(), 0.8);
  state->mutable_scene(0)->set_retention(0.7);
  state->mutable_scene(1)->clear_retention();
  const absl::StatusOr<SessionPlan> plan =
      PlanFromSnapshot(*state, /*one_clip=*/false, FakeVideoModel(), RpcLimits(), absl::UnixEpoch());
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->request.continuation->scene[0].budget, 7);
  EXPECT_EQ(plan->request.continuation->scene[1].budget, 8) << "the session's, where none is said";
}

TEST_F(SessionSnapshotTest, ASessionThatIsNotResumableHasNone) {
  v1::SessionConfig config = Config(0);
  config.set_initial_chunk_credits(1);
  call_->Start(config);
  ASSERT_TRUE(WaitUntilAChunkWaits());
  v1::StreamVideoRequest ask;
  ask.mutable_snapshot();
  call_->Control(ask);
  ReadToTheEnd();
  EXPECT_THAT(transport_.end()->error_message(), HasSubstr("snapshot"));
  EXPECT_THAT(transport_.end()->error_details(), HasSubstr("NOT_RESUMABLE"));
}

TEST_F(SessionSnapshotTest, ADrainingServerSaysLastWhereTheSessionStands) {
  v1::SessionConfig config = Resumable(0);
  config.set_initial_chunk_credits(2);
  call_->Start(config);
  ASSERT_TRUE(WaitUntilAChunkWaits());
  std::thread drain([this] { scheduler_->Drain(absl::InfiniteFuture()); });
  ReadToTheEnd();
  drain.join();
  EXPECT_THAT(transport_.end()->error_details(), HasSubstr("DRAINING"));
  ASSERT_TRUE(transport_.responses().back().has_snapshot());
  const std::vector<v1::VideoChunk> made = ChunksOf(transport_.responses());
  EXPECT_EQ(Snapshots().back().next_sequence(), static_cast<int64_t>(made.size()));
}

TEST_F(SessionSnapshotTest, AControlThatComesTooLateIsNotCountedSoThatItsClientSendsItToWhereTheSessionGoesOn) {
  v1::SessionConfig config = Resumable(0);
  config.set_initial_chunk_credits(1);
  call_->Start(config);
  ASSERT_TRUE(WaitUntilAChunkWaits());
  v1::StreamVideoRequest credit;
  credit.mutable_credit()->set_chunks(1);
  call_->Control(credit);
  std::thread drain([this] { scheduler_->Drain(absl::InfiniteFuture()); });
  EXPECT_TRUE(WaitUntilNoSessionRuns());
  drain.join();
  call_->Control(credit);
  EXPECT_THAT(Scrape(), HasSubstr(Controls("too_late", "credit", 1)));
  ASSERT_NO_FATAL_FAILURE(FinishOneWrite());
  v1::StreamVideoRequest ask;
  ask.mutable_resume()->set_resume_token(transport_.responses().front().started().resume_token());
  FakeTransport transport;
  const auto call =
      SessionCall::Create(RpcMethod::kStreamVideo, Caller{"ipv4:127.0.0.1:6", {}, nullptr}, environment_, &transport);
  call->Resume(ask.resume());
  ASSERT_TRUE(transport.WaitForWriteOrEnd());
  EXPECT_EQ(transport.responses().front().started().controls_received(), 1);
  call->OnCancel();
}

TEST_F(SessionSnapshotTest, WhatNoServerWithThisKeyHasMadeIsNotTaken) {
  v1::SessionSnapshot snapshot = SecondOfFour();
  grpc::Status end;
  v1::SessionSnapshot changed = snapshot;
  changed.mutable_state()->back() ^= 1;
  GoOn(changed, &end);
  EXPECT_EQ(end.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  snapshot.clear_seal();
  GoOn(snapshot, &end);
  EXPECT_THAT(end.error_details(), HasSubstr("SNAPSHOT_NOT_SEALED"));
  const SnapshotSeal other("the fake model", std::string(32, 'x'));
  GoOn(other.Close(v1::SnapshotState()), &end);
  EXPECT_THAT(end.error_details(), HasSubstr("SNAPSHOT_NOT_SEALED"));
}

TEST_F(SessionSnapshotTest, TheFingerprintOfAnotherModelIsToldToTheClientAndNotToTheLog) {
  v1::SnapshotState state;
  state.set_model_fingerprint("words of a stranger");
  const absl::Status refused = seal_.Open(seal_.Close(state)).status();
  EXPECT_THAT(std::string(refused.message()), HasSubstr("fingerprint words of a stranger"));
  EXPECT_EQ(ForLog(refused, /*quote_clients=*/false), "SNAPSHOT_OF_ANOTHER_MODEL resume.snapshot");
}

TEST_F(SessionSnapshotTest, EveryFieldIsCheckedAsAStrangers) {
  const absl::StatusOr<v1::SnapshotState> good = seal_.Open(SecondOfFour());
  ASSERT_TRUE(good.ok()) << good.status();
  const auto refusal = [&](const std::function<void(v1::SnapshotState*)>& spoil) { return Refusal(*good, spoil); };
  EXPECT_EQ(refusal([](v1::SnapshotState*) {}), "");
  EXPECT_THAT(refusal([](auto* s) { s->set_model_fingerprint("another"); }), HasSubstr("fingerprint another"));
  EXPECT_THAT(refusal([](auto* s) { s->mutable_config()->set_prompt(" "); }), HasSubstr("config.prompt"));
  EXPECT_THAT(refusal([](auto* s) { s->mutable_config()->mutable_retention()->set_target(0.33); }),
              HasSubstr("config.retention.target"));
  EXPECT_THAT(refusal([](auto* s) { s->set_chunks(5); }), HasSubstr("resume.snapshot.chunks"));
  EXPECT_THAT(refusal([](auto* s) { s->set_chunks(-1); }), HasSubstr("resume.snapshot.chunks"));
  EXPECT_THAT(refusal([](auto* s) { s->set_frames(-1); }), HasSubstr("resume.snapshot.frames"));
  EXPECT_THAT(refusal([](auto* s) { s->set_frames(s->frames() + 1); }), HasSubstr("resume.snapshot.frames"))
      << "more than its chunks have";
  EXPECT_THAT(refusal([](auto* s) { s->set_frames(s->frames() - 1); }), HasSubstr("must be those of"));
  EXPECT_THAT(refusal([](auto* s) { s->mutable_scene(0)->set_sequence(-1); }), HasSubstr("scene.sequence"));
  EXPECT_THAT(refusal([](auto* s) { s->mutable_scene(1)->set_sequence(0); }), HasSubstr("scene.sequence"));
  EXPECT_THAT(refusal([](auto* s) { s->mutable_scene(0)->set_prompt(1); }), HasSubstr("scene.prompt"));
  EXPECT_THAT(refusal([](auto* s) { s->mutable_scene(0)->set_latents("short"); }), HasSubstr("scene.latents"));
  EXPECT_THAT(refusal([](auto* s) { s->mutable_scene(0)->mutable_latents()->at(1) = '\x7c'; }), HasSubstr("finite"));
  EXPECT_THAT(refusal([](auto* s) { *s->add_scene() = s->scene(0); }), HasSubstr("resume.snapshot.scene"));
  EXPECT_THAT(refusal([](auto* s) { s->mutable_scene(0)->set_retention(0.33); }),
              AllOf(HasSubstr("resume.snapshot.scene.retention: must be a budget"), HasSubstr("0.33")));
  EXPECT_THAT(refusal([](auto* s) { s->mutable_scene(0)->set_retention(std::nan("")); }), HasSubstr("scene.retention"));
  EXPECT_THAT(refusal([](auto* s) { s->set_prompts(0, ""); }), HasSubstr("resume.snapshot.prompts"));
  EXPECT_THAT(refusal([](auto* s) { s->mutable_due()->set_seconds(int64_t{1} << 60); }), HasSubstr("due.seconds"));
  EXPECT_THAT(refusal([](auto* s) { s->mutable_taken_at()->set_seconds(int64_t{-1} << 60); }), "")
      << "a clock that is wrong does no harm";
  v1::SessionSnapshot garbage = seal_.Close(*good);
  const SnapshotSeal open("the fake model", "");
  for (const char* state : {"\xff\xff\xff", ""}) {
    garbage.set_state(state);
    EXPECT_THAT(std::string(open.Open(garbage).status().message()), HasSubstr("resume.snapshot.state"));
  }
}

// In a rolling update a server takes what one of the release before has sealed.
TEST(SnapshotSealTest, SealsOfEarlierReleasesHold) {
  const SnapshotSeal seal("the fake model", std::string(32, 'k'));
  EXPECT_EQ(absl::BytesToHexString(seal.Close(v1::SnapshotState()).seal()),
            "323267a5f3c99daf357911bbb40c935e88bf63460878eb297a2ef2bb0bbc9ae7");
}

TEST(SnapshotTimeTest, TimeOnTheWayCountsForTheViewerButNotMoreThanAMinute) {
  const FakeVideoModel model;
  v1::SnapshotState state;
  state.mutable_config()->set_prompt("a red circle");
  state.mutable_config()->set_length_chunks(9);
  state.mutable_due()->set_seconds(2);
  const absl::Time taken = absl::FromUnixSeconds(1'800'000'000);
  state.mutable_taken_at()->set_seconds(1'800'000'000);
  const auto due = [&](absl::Duration later) {
    return *PlanFromSnapshot(state, false, model, RpcLimits(), taken + later)->request.continuation->due;
  };
  EXPECT_EQ(due(absl::Milliseconds(1500)), absl::Milliseconds(500));
  EXPECT_EQ(due(absl::Hours(-1)), absl::Seconds(2));
  EXPECT_EQ(due(absl::Hours(1)), absl::Seconds(-58));
  state.set_paused(true);
  EXPECT_EQ(due(absl::Seconds(10)), absl::Seconds(2));
}

TEST(SceneHistoryTest, TheScenesFirstChunksStayAndOfTheOthersTheLatest) {
  ModelInfo model;
  model.sink_chunks = 1;
  model.window_chunks = 3;
  SceneHistory history(model);
  for (int64_t chunk = 0; chunk < 6; ++chunk) history.Add({chunk, nullptr, nullptr}, chunk == 1, 12);
  std::vector<int64_t> kept;
  for (const EarlierChunk& chunk : history.scene()) kept.push_back(chunk.sequence);
  EXPECT_THAT(kept, ElementsAre(1, 4, 5));
  EXPECT_EQ(history.chunks(), 6);
  EXPECT_EQ(history.frames(), 72);
}

}  // namespace
}  // namespace videodiffcr
