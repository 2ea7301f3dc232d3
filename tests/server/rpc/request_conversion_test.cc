// Good requests at the edges of what is good, field by field. What is refused, and how, is proved over real sockets in
// tests/integration/bad_input_test.cc.
#include "server/rpc/request_conversion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "server/rpc/error_details.h"
#include "tests/fakes/fake_video_model.h"

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class RequestConversionTest : public ::testing::Test {
 protected:
  RequestConversionTest() {
    config_.set_prompt("a red circle");
    config_.set_length_chunks(3);
  }
  absl::StatusOr<SessionPlan> Convert(bool one_clip = false) {
    return ConvertConfig(config_, one_clip, model_, limits_);
  }
  SessionPlan Plan(bool one_clip = false) {
    absl::StatusOr<SessionPlan> plan = Convert(one_clip);
    EXPECT_TRUE(plan.ok()) << plan.status();
    return plan.ok() ? *std::move(plan) : SessionPlan();
  }
  std::string Refusal() { return std::string(Convert().status().message()); }

  FakeVideoModel model_;
  RpcLimits limits_;
  v1::SessionConfig config_;
};

TEST_F(RequestConversionTest, ASmallConfigTakesTheModelsSizesAndTheDefaults) {
  const SessionPlan plan = Plan();
  EXPECT_EQ(plan.request.prompt, "a red circle");
  EXPECT_EQ(plan.request.seed, 0u) << "the server is to pick one";
  EXPECT_EQ(plan.request.length_chunks, 3);
  EXPECT_EQ(plan.announced_length_chunks, 3);
  EXPECT_EQ(plan.request.target, kDenseTenths);
  EXPECT_EQ(plan.request.floor, kDenseTenths);
  EXPECT_EQ(plan.request.priority, PriorityClass::kStandard);
  EXPECT_EQ(plan.request.playout_start_buffer, std::nullopt);
  EXPECT_EQ(plan.request.run_ahead_limit_chunks, 0);
  EXPECT_EQ(plan.request.chunk_credits, kUnlimitedCredits);
  EXPECT_EQ(plan.request.byte_credits, kUnlimitedCredits);
  EXPECT_EQ(plan.encoder.output, (OutputKind{VideoCodec::kH264, VideoContainer::kFragmentedMp4}));
  EXPECT_EQ(plan.encoder.width, 64);
  EXPECT_EQ(plan.encoder.height, 48);
  EXPECT_EQ(plan.encoder.frames_per_second, 16);
  EXPECT_EQ(plan.encoder.rate_factor, kDefaultRateFactor);
  EXPECT_EQ(plan.encoder.first_fragment_frames, 0);
}

TEST_F(RequestConversionTest, EveryFieldThatIsSetArrives) {
  config_.set_seed(42);
  config_.set_request_id("order-17_b.2");
  config_.set_width(64);
  config_.set_height(48);
  config_.set_frames_per_second(16);
  config_.mutable_retention()->set_target(0.8);
  config_.mutable_retention()->set_floor(0.7);
  config_.mutable_output()->set_codec(v1::CODEC_H264);
  config_.mutable_output()->set_container(v1::CONTAINER_ANNEX_B);
  config_.mutable_output()->set_rate_factor(30);
  config_.mutable_output()->set_first_fragment_frames(2);
  config_.set_priority(v1::PRIORITY_BATCH);
  config_.mutable_playout()->mutable_start_buffer()->set_seconds(1);
  config_.mutable_playout()->mutable_start_buffer()->set_nanos(500'000'000);
  config_.set_run_ahead_limit_chunks(5);
  config_.set_initial_chunk_credits(2);
  config_.set_initial_byte_credits(3000);
  const SessionPlan plan = Plan();
  EXPECT_EQ(plan.request.seed, 42u);
  EXPECT_EQ(plan.request_id, "order-17_b.2");
  EXPECT_EQ(plan.request.target, 8);
  EXPECT_EQ(plan.request.floor, 7);
  EXPECT_EQ(plan.encoder.output, (OutputKind{VideoCodec::kH264, VideoContainer::kAnnexB}));
  EXPECT_EQ(plan.encoder.rate_factor, 30);
  EXPECT_EQ(plan.encoder.first_fragment_frames, 2);
  EXPECT_EQ(plan.request.priority, PriorityClass::kBatch);
  EXPECT_EQ(plan.request.playout_start_buffer, absl::Milliseconds(1500));
  EXPECT_EQ(plan.request.run_ahead_limit_chunks, 5);
  EXPECT_EQ(plan.request.chunk_credits, 2);
  EXPECT_EQ(plan.request.byte_credits, 3000);
}

TEST_F(RequestConversionTest, AFloorMayBeTheTargetAndIsItWhereNoneIsSet) {
  config_.mutable_retention()->set_target(0.7);
  EXPECT_EQ(Plan().request.floor, 7);
  EXPECT_TRUE(Plan().request.floor_follows_target);
  config_.mutable_retention()->set_floor(0.7);
  EXPECT_EQ(Plan().request.floor, 7);
  EXPECT_FALSE(Plan().request.floor_follows_target);
}

TEST_F(RequestConversionTest, AFloorOffTheTableIsRefusedWithTheTable) {
  config_.mutable_retention()->set_floor(0.65);
  EXPECT_THAT(Refusal(),
              HasSubstr("config.retention.floor: must be a budget of the model's table: 1.0, 0.9, 0.8, 0.7"));
}

TEST_F(RequestConversionTest, ATenthMayHaveComeByWayOfAFloat) {
  config_.mutable_retention()->set_target(0.7f);
  EXPECT_EQ(Plan().request.target, 7);
}

TEST_F(RequestConversionTest, EveryContainerMayBeNamedAndWhereNoneIsItIsTheCodecsOwn) {
  v1::OutputFormat* const output = config_.mutable_output();
  output->set_codec(v1::CODEC_H264);
  output->set_container(v1::CONTAINER_FRAGMENTED_MP4);
  EXPECT_EQ(Plan().encoder.output, (OutputKind{VideoCodec::kH264, VideoContainer::kFragmentedMp4}));
  output->set_codec(v1::CODEC_RAW_YUV420P);
  output->set_container(v1::CONTAINER_RAW);
  EXPECT_EQ(Plan().encoder.output, (OutputKind{VideoCodec::kRawYuv420p, VideoContainer::kRaw}));
  output->set_codec(v1::CODEC_RAW_RGB24);
  output->clear_container();
  EXPECT_EQ(Plan().encoder.output, (OutputKind{VideoCodec::kRawRgb24, VideoContainer::kRaw}));
}

TEST_F(RequestConversionTest, TheEndsOfEveryRangeAreInIt) {
  config_.set_prompt(std::string(limits_.max_prompt_bytes, 'a'));
  config_.set_request_id(std::string(128, 'x'));
  config_.set_length_chunks(static_cast<int32_t>(limits_.max_length_chunks));
  config_.mutable_output()->set_rate_factor(kMaxRateFactor);
  config_.mutable_output()->set_first_fragment_frames(model_.info().first_chunk_frames);
  config_.mutable_playout()->mutable_start_buffer()->set_seconds(60);
  config_.set_run_ahead_limit_chunks(64);
  config_.set_initial_chunk_credits(1'000'000);
  config_.set_initial_byte_credits(int64_t{1} << 50);
  Plan();
  config_.set_length_chunks(1);
  config_.mutable_output()->set_rate_factor(kMinRateFactor);
  config_.mutable_output()->set_first_fragment_frames(0);
  config_.mutable_playout()->mutable_start_buffer()->set_seconds(0);
  config_.set_initial_chunk_credits(0);
  config_.set_initial_byte_credits(0);
  EXPECT_EQ(Plan(/*one_clip=*/true).request.playout_start_buffer, absl::ZeroDuration());
  EXPECT_EQ(Plan().request.chunk_credits, 0);
  EXPECT_EQ(Plan().request.byte_credits, 0);
}

TEST_F(RequestConversionTest, AFirstFragmentOfAllFramesIsTheChunkItself) {
  const int all = model_.info().first_chunk_frames;
  config_.mutable_output()->set_first_fragment_frames(all - 1);
  EXPECT_EQ(Plan().encoder.first_fragment_frames, all - 1);
  config_.mutable_output()->set_first_fragment_frames(all);
  EXPECT_EQ(Plan().encoder.first_fragment_frames, 0);
}

TEST_F(RequestConversionTest, ARequestIdOfOneCharacterTooManyIsRefused) {
  config_.set_request_id(std::string(129, 'x'));
  EXPECT_THAT(Refusal(), HasSubstr("config.request_id: must be at most 128 characters"));
}

TEST_F(RequestConversionTest, AStartBufferWhoseNanosecondsAreNoDurationIsRefusedWhateverTheSum) {
  google::protobuf::Duration* const buffer = config_.mutable_playout()->mutable_start_buffer();
  buffer->set_seconds(1);
  buffer->set_nanos(1'000'000'000);
  EXPECT_THAT(Refusal(), HasSubstr("config.playout.start_buffer"));
  buffer->set_seconds(2);
  buffer->set_nanos(-1'000'000'000);
  EXPECT_THAT(Refusal(), HasSubstr("config.playout.start_buffer"));
  buffer->set_nanos(-1);
  EXPECT_THAT(Refusal(), HasSubstr("config.playout.start_buffer"));
  buffer->set_nanos(999'999'999);
  EXPECT_EQ(Plan().request.playout_start_buffer, absl::Seconds(3) - absl::Nanoseconds(1));
  buffer->set_seconds(60);
  buffer->set_nanos(1);
  EXPECT_THAT(Refusal(), HasSubstr("config.playout.start_buffer"));
}

TEST_F(RequestConversionTest, AnEndlessSessionIsAnnouncedAsSuchAndHasTheLongestLength) {
  config_.set_length_chunks(0);
  EXPECT_EQ(Plan().announced_length_chunks, 0);
  EXPECT_EQ(Plan().request.length_chunks, limits_.max_length_chunks);
}

TEST_F(RequestConversionTest, OneClipHasUnlimitedCreditsWhateverItsConfigSays) {
  config_.set_initial_chunk_credits(-1);
  config_.set_initial_byte_credits(7);
  EXPECT_EQ(Plan(/*one_clip=*/true).request.chunk_credits, kUnlimitedCredits);
  EXPECT_EQ(Plan(/*one_clip=*/true).request.byte_credits, kUnlimitedCredits);
}

TEST_F(RequestConversionTest, ASceneCutMayKeepThePromptOrBringOneWithItsUnknownWords) {
  ModelInfo info = FakeVideoModel::SmallInfo();
  info.vocabulary = {"a", "circle"};
  const FakeVideoModel model(info);
  v1::SceneCutRequest cut;
  cut.set_update_id(9);
  const absl::StatusOr<CheckedChange> plain = ConvertSceneCut(cut, model, limits_);
  ASSERT_TRUE(plain.ok());
  EXPECT_TRUE(plain->change.scene_cut);
  EXPECT_EQ(plain->change.update_id, 9);
  EXPECT_EQ(plain->change.prompt, std::nullopt);
  cut.set_prompt("a purple circle");
  const absl::StatusOr<CheckedChange> with_prompt = ConvertSceneCut(cut, model, limits_);
  ASSERT_TRUE(with_prompt.ok());
  EXPECT_EQ(with_prompt->change.prompt, "a purple circle");
  EXPECT_THAT(with_prompt->warnings.unknown_words, ElementsAre("purple"));
}

TEST_F(RequestConversionTest, APromptThatTheModelCutsIsTakenAndCounted) {
  ModelInfo info = FakeVideoModel::SmallInfo();
  info.max_prompt_tokens = 4;
  FakeVideoModel model(info);
  v1::SceneCutRequest cut;
  cut.set_prompt("one two three four five");
  EXPECT_FALSE(ConvertSceneCut(cut, model, limits_).ok());
  model.CutLongPrompts();
  const absl::StatusOr<CheckedChange> change = ConvertSceneCut(cut, model, limits_);
  ASSERT_TRUE(change.ok()) << change.status();
  EXPECT_EQ(change->warnings.cut_tokens, 2);
}

TEST_F(RequestConversionTest, AnUpdateMayBringAPromptABudgetOrBoth) {
  v1::SessionUpdate update;
  update.set_update_id(3);
  update.set_retention_target(0.9);
  absl::StatusOr<CheckedChange> change = ConvertUpdate(update, model_, limits_);
  ASSERT_TRUE(change.ok());
  EXPECT_EQ(change->change.update_id, 3);
  EXPECT_EQ(change->change.target, 9);
  EXPECT_EQ(change->change.prompt, std::nullopt);
  update.set_prompt("a blue square");
  EXPECT_EQ(ConvertUpdate(update, model_, limits_)->change.prompt, "a blue square");
  update.set_prompt(" ");
  EXPECT_EQ(ErrorReason(ConvertUpdate(update, model_, limits_).status()), "PROMPT_EMPTY");
}

TEST_F(RequestConversionTest, APromptWithNothingToSeeIsEmptyInEveryFieldThatTakesOne) {
  for (const char* blank : {"\u00A0", "\u3000\u3000", "\u200B\uFEFF", "\u2800"}) {
    config_.set_prompt(blank);
    EXPECT_EQ(ErrorReason(Convert().status()), "PROMPT_EMPTY") << ::testing::PrintToString(blank);
    v1::SessionUpdate update;
    update.set_prompt(blank);
    EXPECT_EQ(ErrorReason(ConvertUpdate(update, model_, limits_).status()), "PROMPT_EMPTY");
    v1::SceneCutRequest scene_cut;
    scene_cut.set_prompt(blank);
    EXPECT_EQ(ErrorReason(ConvertSceneCut(scene_cut, model_, limits_).status()), "PROMPT_EMPTY");
  }
}

TEST_F(RequestConversionTest, CreditsArriveUpToTheirLimits) {
  v1::CreditGrant credit;
  credit.set_chunks(1'000'000);
  credit.set_bytes(int64_t{1} << 50);
  const absl::StatusOr<CheckedCredits> credits = ConvertCredit(credit);
  ASSERT_TRUE(credits.ok());
  EXPECT_EQ(credits->chunks, 1'000'000);
  EXPECT_EQ(credits->bytes, int64_t{1} << 50);
  credit.set_bytes((int64_t{1} << 50) + 1);
  EXPECT_EQ(ErrorReason(ConvertCredit(credit).status()), "OUT_OF_RANGE");
}

}  // namespace
}  // namespace videodiffcr
