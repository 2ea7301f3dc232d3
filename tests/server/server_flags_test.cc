// Every flag reaches the field that it is about.
#include "server/server_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_split.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

absl::StatusOr<CommandLine> Parse(const std::vector<std::string_view>& flags) { return ParseCommandLine(flags); }

TEST(ServerFlagsTest, WithoutFlagsTheServerHasTheDefaultsOfItsConfig) {
  const absl::StatusOr<CommandLine> line = Parse({});
  ASSERT_TRUE(line.ok()) << line.status();
  const ServerConfig expected;
  const ServerConfig& config = line->config;
  EXPECT_EQ(config.listen, expected.listen);
  EXPECT_EQ(config.metrics_listen, expected.metrics_listen);
  EXPECT_EQ(config.advertised_ip, "");
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
  EXPECT_EQ(config.rpc_limits.max_streams_in_first_message, expected.rpc_limits.max_streams_in_first_message);
  EXPECT_EQ(config.rpc_limits.min_ping_interval, expected.rpc_limits.min_ping_interval);
  EXPECT_FALSE(config.rpc_limits.behind_proxy);
  EXPECT_FALSE(config.log_prompts);
  EXPECT_EQ(config.rpc_limits.max_sessions_per_connection, expected.rpc_limits.max_sessions_per_connection);
  EXPECT_EQ(config.max_connections, expected.max_connections);
  EXPECT_EQ(config.max_connections_per_peer, expected.max_connections_per_peer);
  EXPECT_EQ(config.transport_memory_bytes, expected.transport_memory_bytes);
  EXPECT_EQ(config.rpc_limits.max_length_chunks, expected.rpc_limits.max_length_chunks);
  EXPECT_EQ(config.outbox_limits.high_bytes, expected.outbox_limits.high_bytes);
  EXPECT_EQ(config.outbox_limits.low_bytes, expected.outbox_limits.low_bytes);
  EXPECT_EQ(config.outbox_limits.high_chunks, expected.outbox_limits.high_chunks);
  EXPECT_EQ(config.outbox_limits.low_chunks, expected.outbox_limits.low_chunks);
  EXPECT_EQ(config.scheduler.max_sessions, expected.scheduler.max_sessions);
  EXPECT_EQ(config.scheduler.max_waiting_sessions, expected.scheduler.max_waiting_sessions);
  EXPECT_EQ(config.scheduler.memory_budget_bytes, expected.scheduler.memory_budget_bytes);
  EXPECT_EQ(config.scheduler.max_sessions_per_plan, expected.scheduler.max_sessions_per_plan);
  EXPECT_EQ(config.scheduler.engine_niceness, expected.scheduler.engine_niceness);
  EXPECT_EQ(config.scheduler.delivery_threads, expected.scheduler.delivery_threads);
  EXPECT_EQ(config.scheduler.policy, expected.scheduler.policy);
  EXPECT_EQ(line->model_folder, "models/tiny");
  EXPECT_EQ(line->device, "cpu");
  EXPECT_EQ(line->precision, "bf16");
  EXPECT_EQ(line->threads, 0);
  EXPECT_EQ(line->gpu_sessions, 0);
}

TEST(ServerFlagsTest, EveryFlagArrives) {
  const absl::StatusOr<CommandLine> line =
      Parse({"--listen=0.0.0.0:1", "--metrics-listen=0.0.0.0:2", "--advertised-ip=10.1.2.3", "--port-file=ports",
             "--no-reflection", "--warm-up-chunks=3", "--drain-timeout=4s", "--keepalive-time=5s",
             "--keepalive-timeout=6s", "--log-prompts", "--model-folder=folder", "--device=cuda", "--precision=fp8",
             "--threads=1024", "--gpu-sessions=24"});
  ASSERT_TRUE(line.ok()) << line.status();
  const ServerConfig& config = line->config;
  EXPECT_EQ(config.listen, "0.0.0.0:1");
  EXPECT_EQ(config.metrics_listen, "0.0.0.0:2");
  EXPECT_EQ(config.advertised_ip, "10.1.2.3");
  EXPECT_EQ(config.port_file, "ports");
  EXPECT_FALSE(config.reflection);
  EXPECT_EQ(config.warm_up_chunks, 3);
  EXPECT_EQ(config.drain_timeout, absl::Seconds(4));
  EXPECT_EQ(config.keepalive_time, absl::Seconds(5));
  EXPECT_EQ(config.keepalive_timeout, absl::Seconds(6));
  EXPECT_TRUE(config.log_prompts);
  EXPECT_EQ(line->model_folder, "folder");
  EXPECT_EQ(line->device, "cuda");
  EXPECT_EQ(line->precision, "fp8");
  EXPECT_EQ(line->threads, 1024);
  EXPECT_EQ(line->gpu_sessions, 24);
}

TEST(ServerFlagsTest, EveryLimitOfACallAndOfTheServerArrives) {
  const absl::StatusOr<CommandLine> line =
      Parse({"--max-prompt-bytes=7", "--max-first-message-bytes=8000", "--max-control-message-bytes=7000",
             "--control-messages-per-second=9.5", "--control-message-burst=10", "--first-message-timeout=11s",
             "--max-streams-in-first-message=25", "--min-ping-interval=26s", "--behind-proxy",
             "--max-sessions-per-connection=12", "--max-connections=27", "--max-connections-per-peer=28",
             "--transport-memory-bytes=29000000", "--max-length-chunks=13", "--outbox-high-bytes=15",
             "--outbox-low-bytes=14", "--outbox-high-chunks=17", "--outbox-low-chunks=16"});
  ASSERT_TRUE(line.ok()) << line.status();
  const ServerConfig& config = line->config;
  EXPECT_EQ(config.rpc_limits.max_prompt_bytes, 7);
  EXPECT_EQ(config.rpc_limits.max_first_message_bytes, 8000);
  EXPECT_EQ(config.rpc_limits.max_control_message_bytes, 7000);
  EXPECT_EQ(config.rpc_limits.control_messages_per_second, 9.5);
  EXPECT_EQ(config.rpc_limits.control_message_burst, 10);
  EXPECT_EQ(config.rpc_limits.first_message_timeout, absl::Seconds(11));
  EXPECT_EQ(config.rpc_limits.max_streams_in_first_message, 25);
  EXPECT_EQ(config.rpc_limits.min_ping_interval, absl::Seconds(26));
  EXPECT_TRUE(config.rpc_limits.behind_proxy);
  EXPECT_EQ(config.rpc_limits.max_sessions_per_connection, 12);
  EXPECT_EQ(config.max_connections, 27);
  EXPECT_EQ(config.max_connections_per_peer, 28);
  EXPECT_EQ(config.transport_memory_bytes, 29000000);
  EXPECT_EQ(config.rpc_limits.max_length_chunks, 13);
  EXPECT_EQ(config.outbox_limits.low_bytes, 14);
  EXPECT_EQ(config.outbox_limits.high_bytes, 15);
  EXPECT_EQ(config.outbox_limits.low_chunks, 16);
  EXPECT_EQ(config.outbox_limits.high_chunks, 17);
}

TEST(ServerFlagsTest, EveryFlagOfTheSchedulerArrives) {
  const absl::StatusOr<CommandLine> line =
      Parse({"--max-sessions=18", "--max-waiting-sessions=19", "--idle-timeout=25s", "--idle-grace=7s",
             "--memory-budget-bytes=20", "--max-sessions-per-plan=21", "--engine-niceness=19", "--delivery-threads=22",
             "--policy=fifo"});
  ASSERT_TRUE(line.ok()) << line.status();
  const ServerConfig& config = line->config;
  EXPECT_EQ(config.scheduler.max_sessions, 18);
  EXPECT_EQ(config.scheduler.max_waiting_sessions, 19);
  EXPECT_EQ(config.scheduler.idle_timeout, absl::Seconds(25));
  EXPECT_EQ(config.scheduler.idle_grace, absl::Seconds(7));
  EXPECT_EQ(config.scheduler.memory_budget_bytes, 20);
  EXPECT_EQ(config.scheduler.max_sessions_per_plan, 21);
  EXPECT_EQ(config.scheduler.engine_niceness, 19);
  EXPECT_EQ(config.scheduler.delivery_threads, 22);
  EXPECT_EQ(config.scheduler.policy, SchedulingPolicy::kFirstInFirstOut);
}

TEST(ServerFlagsTest, AValueThatMakesNoSenseIsRefusedByFlagAndValue) {
  const std::pair<const char*, const char*> cases[] = {
      {"--device=tpu", "--device is 'tpu'; it must be one of cpu, cuda"},
      {"--precision=fp64", "--precision is 'fp64'; it must be one of fp32, bf16, fp8"},
      {"--threads=-1", "--threads is '-1'; it must be a whole number from 0 to 1024"},
      {"--threads=1025", "--threads is '1025'"},
      {"--policy=lottery", "--policy is 'lottery'; it must be edf, fifo or round_robin"},
      {"--drain-timeout=25", "--drain-timeout is '25'; it must be a number with its unit, for example 25s"},
      {"--reflection=perhaps", "--reflection is 'perhaps'; it must be yes or no"},
      {"models/tiny", "unexpected argument 'models/tiny'"},
      {"--max-session=4", "unknown flag --max-session; did you mean --max-sessions?"},
      // What the configuration checks, by the name of the flag.
      {"--max-sessions=0", "--max-sessions is 0; it must be from 1 to 100000"},
      {"--listen=here", "--listen is 'here'; it must be host:port"},
      {"--keepalive-time=500ms", "--keepalive-time is 500ms; it must be from 1s to 24h"},
      {"--control-messages-per-second=nan", "--control-messages-per-second is 'nan'"},
      {"--first-message-timeout=0", "--first-message-timeout is 0; it must be from 1ms to 1h"},
      {"--max-first-message-bytes=67108865", "--max-first-message-bytes is 67108865; it must be from 1024 to 67108864"},
      {"--outbox-low-chunks=4",
       "--outbox-low-chunks is 4; it must be at least 0 and less than --outbox-high-chunks which is 4"},
  };
  for (const auto& [flag, message] : cases) {
    const absl::Status status = Parse({flag}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << flag;
    EXPECT_THAT(std::string(status.message()), StartsWith(message));
  }
}

TEST(ServerFlagsTest, TheSpellingOfOlderScriptsStillWorks) {
  const absl::StatusOr<CommandLine> line =
      Parse({"--model_folder=my_models/a_b", "--metrics_listen=", "--noreflection", "--max_sessions", "3"});
  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_EQ(line->model_folder, "my_models/a_b");
  EXPECT_EQ(line->config.metrics_listen, "");
  EXPECT_FALSE(line->config.reflection);
  EXPECT_EQ(line->config.scheduler.max_sessions, 3);
}

TEST(ServerFlagsTest, TheHelpSaysOfEveryFlagWhatItHoldsByDefault) {
  const std::string help = Parse({"--help"})->answer;
  for (const char* text : {"videodiffcr-server: streams text-to-video over gRPC", "Limits of a call:\n",
                           "  --max-sessions N\n      Sessions that hold model memory at once.\n"
                           "      Default: 32. Example: --max-sessions 8\n",
                           "  --reflection, --no-reflection\n", "Default: 25s.", "Default: 127.0.0.1:50051."}) {
    EXPECT_THAT(help, HasSubstr(text));
  }
}

TEST(ServerFlagsTest, EveryExampleOfTheHelpIsTaken) {
  const std::string help = Parse({"--help"})->answer;
  int examples = 0;
  for (const std::string& line : std::vector<std::string>(absl::StrSplit(help, '\n'))) {
    const size_t at = line.find("Example: --");
    if (at == std::string::npos) continue;
    std::vector<std::string> words = absl::StrSplit(line.substr(at + 9), ' ');
    // These need one another.
    for (const std::string needed : {"--tls-certificate", "--tls-key"}) {
      if (words[0].starts_with("--tls-") && words[0] != needed) words.push_back(needed + "=file");
    }
    EXPECT_EQ(Parse({words.begin(), words.end()}).status(), absl::OkStatus()) << line;
    ++examples;
  }
  EXPECT_GT(examples, 30);
}

}  // namespace
}  // namespace videodiffcr
