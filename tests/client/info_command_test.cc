#include "client/info_command.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/scripted_video_service.h"
#include "tests/command_line/run_subcommand.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Service = ScriptedVideoService;

TEST(InfoCommandTest, AsksTheServerThatItIsTold) {
  Service service([](const v1::SessionConfig&, grpc::ServerContext*, Service::Stream*) { return grpc::Status::OK; });
  ::testing::internal::CaptureStdout();
  const absl::Status status = RunSubcommand(InfoSubcommand(), {"--server", service.address()});
  EXPECT_THAT(::testing::internal::GetCapturedStdout(), HasSubstr("server "));
  EXPECT_TRUE(status.ok()) << status;
}

TEST(InfoCommandTest, LongListsAreWrappedAndWhatIsNotKnownIsLeftOut) {
  v1::GetServerInfoResponse info;
  EXPECT_THAT(FormatServerInfo(info), Not(HasSubstr("measured")));
  EXPECT_THAT(FormatServerInfo(info), Not(HasSubstr("words the model knows")));
  EXPECT_THAT(FormatServerInfo(info), Not(HasSubstr("prompts that work well")));
  info.mutable_measured_chunk_period()->set_nanos(250'000'000);
  info.mutable_model()->set_chunk_frames(12);
  info.mutable_model()->set_first_chunk_frames(9);
  info.mutable_model()->set_denoise_steps(4);
  info.mutable_model()->set_session_bytes(3 << 19);
  info.mutable_limits()->set_max_control_messages_per_second(20);
  info.mutable_limits()->set_max_control_message_burst(40);
  info.mutable_limits()->set_max_first_message_bytes(4000);
  info.mutable_limits()->set_max_control_message_bytes(3000);
  for (int i = 0; i < 30; ++i) info.mutable_model()->add_vocabulary("circle");
  const std::string text = FormatServerInfo(info);
  EXPECT_THAT(text, HasSubstr("measured   0.250 s per chunk\n"));
  EXPECT_THAT(text, HasSubstr("chunk      12 frames (the first of a scene 9), 4 denoising passes\n"));
  EXPECT_THAT(text, HasSubstr("memory     1.5 MiB per session\n"));
  EXPECT_THAT(text, HasSubstr("20 control messages per second, 40 in a burst"));
  EXPECT_THAT(text, HasSubstr("messages of 4000 bytes (first), 3000 bytes (later)"));
  // Eleven columns, then twelve words of six letters with a space between: 94; a thirteenth would make it 101.
  EXPECT_THAT(text, HasSubstr("\n           circle circle circle circle circle circle circle circle circle circle "
                              "circle circle\n           circle"));
}

TEST(InfoCommandTest, TimesAndATenantsOwnLimitsAreSaidWhereTheyHold) {
  v1::GetServerInfoResponse info;
  v1::ServerLimits* const limits = info.mutable_limits();
  limits->set_max_sessions(32);
  limits->set_max_waiting_sessions(64);
  EXPECT_THAT(FormatServerInfo(info), HasSubstr("           32 sessions, 64 waiting\n")) << "behind a proxy";
  EXPECT_THAT(FormatServerInfo(info), Not(HasSubstr("a session ")));
  EXPECT_THAT(FormatServerInfo(info), Not(HasSubstr("your own")));
  limits->set_max_sessions_per_connection(16);
  limits->mutable_idle_timeout()->set_seconds(60);
  limits->mutable_idle_grace()->set_seconds(30);
  limits->mutable_disconnect_grace()->set_seconds(20);
  limits->mutable_session_lifetime()->set_seconds(3600);
  limits->set_tenant_sessions(3);
  limits->set_tenant_waiting_sessions(0);
  const std::string text = FormatServerInfo(info);
  EXPECT_THAT(text, HasSubstr("           32 sessions, 16 per connection, 64 waiting\n"));
  EXPECT_THAT(text, HasSubstr("a session that its client holds back is waited for after 60 s, and ends 30 s later\n"));
  EXPECT_THAT(text, HasSubstr("a resumable session waits 20 s for its client to come back\n"));
  EXPECT_THAT(text, HasSubstr("a session ends when it is 3600 s old\n"));
  EXPECT_THAT(text, HasSubstr("your own   3 sessions, 0 waiting\n"));
}

TEST(InfoCommandTest, PrintsModelBudgetsLimitsWordsAndExamples) {
  v1::GetServerInfoResponse info;
  info.set_version("0.1.0");
  info.set_device("cpu");
  info.mutable_model()->set_name("tiny");
  v1::Resolution* size = info.mutable_model()->add_resolutions();
  size->set_width(160);
  size->set_height(96);
  info.mutable_model()->add_frames_per_second(16);
  v1::BudgetInfo* budget = info.mutable_model()->add_budgets();
  budget->set_nominal(0.7);
  budget->set_executed(0.734);
  info.mutable_model()->add_vocabulary("circle");
  info.mutable_model()->add_vocabulary("red");
  info.mutable_model()->add_example_prompts("a red circle");
  info.mutable_limits()->set_max_prompt_bytes(4096);
  v1::SupportedOutput* output = info.add_outputs();
  output->set_codec(v1::CODEC_H264);
  output->set_container(v1::CONTAINER_ANNEX_B);
  const std::string text = FormatServerInfo(info);
  EXPECT_THAT(text, HasSubstr("tiny"));
  EXPECT_THAT(text, HasSubstr("160x96 at 16 frames per second"));
  EXPECT_THAT(text, HasSubstr("nominal 0.70, executed 0.734\n"));
  EXPECT_THAT(text, HasSubstr("H264 in ANNEX_B"));
  EXPECT_THAT(text, HasSubstr("prompt 4096 bytes"));
  EXPECT_THAT(text, HasSubstr("circle red"));
  EXPECT_THAT(text, HasSubstr("a red circle"));
  info.mutable_model()->set_cache_score("saliency");
  budget->set_cache(0.5);
  const std::string retained = FormatServerInfo(info);
  EXPECT_THAT(retained, HasSubstr("nominal 0.70, executed 0.734, 0.50 of the cache stays\n"));
  EXPECT_THAT(retained, HasSubstr("cache      keys that stay are chosen by saliency\n"));
}

}  // namespace
}  // namespace videodiffcr
