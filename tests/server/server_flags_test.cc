// Every flag reaches the field that it is about.
#include "server/server_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/flags/reflection.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<CommandLine> Parse(std::vector<std::string> flags) {
  const absl::FlagSaver saver;  // flags are of the process; a test puts them back
  flags.insert(flags.begin(), "videodiffcr-server");
  std::vector<char*> arguments;
  for (std::string& flag : flags) arguments.push_back(flag.data());
  return ParseCommandLine(static_cast<int>(arguments.size()), arguments.data());
}

TEST(ServerFlagsTest, WithoutFlagsTheServerHasTheDefaultsOfItsConfig) {
  const absl::StatusOr<CommandLine> line = Parse({});
  ASSERT_TRUE(line.ok()) << line.status();
  const ServerConfig expected;
  const ServerConfig& config = line->config;
  EXPECT_EQ(config.listen, expected.listen);
  EXPECT_EQ(config.metrics_listen, expected.metrics_listen);
  EXPECT_EQ(config.port_file, expected.port_file);
  EXPECT_EQ(config.reflection, expected.reflection);
  EXPECT_EQ(config.warm_up_chunks, expected.warm_up_chunks);
  EXPECT_EQ(config.drain_timeout, expected.drain_timeout);
  EXPECT_EQ(config.keepalive_time, expected.keepalive_time);
  EXPECT_EQ(config.keepalive_timeout, expected.keepalive_timeout);
  EXPECT_EQ(config.rpc_limits.max_prompt_bytes, expected.rpc_limits.max_prompt_bytes);
  EXPECT_EQ(config.rpc_limits.max_first_message_bytes, expected.rpc_limits.max_first_message_bytes);
  EXPECT_EQ(config.rpc_limits.max_control_message_bytes, expected.rpc_limits.max_control_message_bytes);
  EXPECT_EQ(config.rpc_limits.control_messages_per_second, expected.rpc_limits.control_messages_per_second);
  EXPECT_EQ(config.rpc_limits.control_message_burst, expected.rpc_limits.control_message_burst);
  EXPECT_EQ(config.rpc_limits.first_message_timeout, expected.rpc_limits.first_message_timeout);
  EXPECT_EQ(config.rpc_limits.max_sessions_per_connection, expected.rpc_limits.max_sessions_per_connection);
  EXPECT_EQ(config.rpc_limits.max_length_chunks, expected.rpc_limits.max_length_chunks);
  EXPECT_EQ(config.outbox_limits.high_bytes, expected.outbox_limits.high_bytes);
  EXPECT_EQ(config.outbox_limits.low_bytes, expected.outbox_limits.low_bytes);
  EXPECT_EQ(config.outbox_limits.high_chunks, expected.outbox_limits.high_chunks);
  EXPECT_EQ(config.outbox_limits.low_chunks, expected.outbox_limits.low_chunks);
  EXPECT_EQ(config.scheduler.max_sessions, expected.scheduler.max_sessions);
  EXPECT_EQ(config.scheduler.max_waiting_sessions, expected.scheduler.max_waiting_sessions);
  EXPECT_EQ(config.scheduler.memory_budget_bytes, expected.scheduler.memory_budget_bytes);
  EXPECT_EQ(config.scheduler.max_sessions_per_plan, expected.scheduler.max_sessions_per_plan);
  EXPECT_EQ(config.scheduler.delivery_threads, expected.scheduler.delivery_threads);
  EXPECT_EQ(config.scheduler.policy, expected.scheduler.policy);
  EXPECT_EQ(line->model_folder, "models/tiny");
  EXPECT_EQ(line->device, "cpu");
  EXPECT_EQ(line->precision, "bf16");
  EXPECT_EQ(line->threads, 0);
  EXPECT_EQ(line->gpu_sessions, 0);
}

TEST(ServerFlagsTest, EveryFlagArrives) {
  const absl::StatusOr<CommandLine> line = Parse({"--listen=0.0.0.0:1",
                                                  "--metrics_listen=0.0.0.0:2",
                                                  "--port_file=ports",
                                                  "--noreflection",
                                                  "--warm_up_chunks=3",
                                                  "--drain_timeout=4s",
                                                  "--keepalive_time=5s",
                                                  "--keepalive_timeout=6s",
                                                  "--max_prompt_bytes=7",
                                                  "--max_first_message_bytes=8000",
                                                  "--max_control_message_bytes=7000",
                                                  "--control_messages_per_second=9.5",
                                                  "--control_message_burst=10",
                                                  "--first_message_timeout=11s",
                                                  "--max_sessions_per_connection=12",
                                                  "--max_length_chunks=13",
                                                  "--outbox_high_bytes=15",
                                                  "--outbox_low_bytes=14",
                                                  "--outbox_high_chunks=17",
                                                  "--outbox_low_chunks=16",
                                                  "--max_sessions=18",
                                                  "--max_waiting_sessions=19",
                                                  "--memory_budget_bytes=20",
                                                  "--max_sessions_per_plan=21",
                                                  "--delivery_threads=22",
                                                  "--policy=fifo",
                                                  "--model_folder=folder",
                                                  "--device=cuda",
                                                  "--precision=fp8",
                                                  "--threads=1024",
                                                  "--gpu_sessions=24"});
  ASSERT_TRUE(line.ok()) << line.status();
  const ServerConfig& config = line->config;
  EXPECT_EQ(config.listen, "0.0.0.0:1");
  EXPECT_EQ(config.metrics_listen, "0.0.0.0:2");
  EXPECT_EQ(config.port_file, "ports");
  EXPECT_FALSE(config.reflection);
  EXPECT_EQ(config.warm_up_chunks, 3);
  EXPECT_EQ(config.drain_timeout, absl::Seconds(4));
  EXPECT_EQ(config.keepalive_time, absl::Seconds(5));
  EXPECT_EQ(config.keepalive_timeout, absl::Seconds(6));
  EXPECT_EQ(config.rpc_limits.max_prompt_bytes, 7);
  EXPECT_EQ(config.rpc_limits.max_first_message_bytes, 8000);
  EXPECT_EQ(config.rpc_limits.max_control_message_bytes, 7000);
  EXPECT_EQ(config.rpc_limits.control_messages_per_second, 9.5);
  EXPECT_EQ(config.rpc_limits.control_message_burst, 10);
  EXPECT_EQ(config.rpc_limits.first_message_timeout, absl::Seconds(11));
  EXPECT_EQ(config.rpc_limits.max_sessions_per_connection, 12);
  EXPECT_EQ(config.rpc_limits.max_length_chunks, 13);
  EXPECT_EQ(config.outbox_limits.low_bytes, 14);
  EXPECT_EQ(config.outbox_limits.high_bytes, 15);
  EXPECT_EQ(config.outbox_limits.low_chunks, 16);
  EXPECT_EQ(config.outbox_limits.high_chunks, 17);
  EXPECT_EQ(config.scheduler.max_sessions, 18);
  EXPECT_EQ(config.scheduler.max_waiting_sessions, 19);
  EXPECT_EQ(config.scheduler.memory_budget_bytes, 20);
  EXPECT_EQ(config.scheduler.max_sessions_per_plan, 21);
  EXPECT_EQ(config.scheduler.delivery_threads, 22);
  EXPECT_EQ(config.scheduler.policy, SchedulingPolicy::kFirstInFirstOut);
  EXPECT_EQ(line->model_folder, "folder");
  EXPECT_EQ(line->device, "cuda");
  EXPECT_EQ(line->precision, "fp8");
  EXPECT_EQ(line->threads, 1024);
  EXPECT_EQ(line->gpu_sessions, 24);
}

TEST(ServerFlagsTest, AValueThatMakesNoSenseIsRefusedByNameAndValue) {
  const std::pair<const char*, const char*> cases[] = {
      {"--device=tpu", "device is \"tpu\""},           {"--threads=-1", "threads is -1"},
      {"--threads=1025", "threads is 1025"},           {"--policy=lottery", "scheduling policy 'lottery'"},
      {"--max_sessions=0", "max_sessions is 0"},       {"models/tiny", "\"models/tiny\" is no flag"},
      {"--outbox_low_chunks=4", "low watermark is 4"},
  };
  for (const auto& [flag, message] : cases) {
    const absl::Status status = Parse({flag}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << flag;
    EXPECT_THAT(std::string(status.message()), HasSubstr(message));
  }
}

}  // namespace
}  // namespace videodiffcr
