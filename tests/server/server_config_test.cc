#include "server/server_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

TEST(ServerConfigTest, TheDefaultsAreValid) { EXPECT_TRUE(ServerConfig().Validate().ok()); }

TEST(ServerConfigTest, EveryFieldOutOfRangeIsRefusedByName) {
  const std::pair<const char*, std::function<void(ServerConfig*)>> spoilers[] = {
      {"listen", [](auto* config) { config->listen = "50051"; }},
      {"listen", [](auto* config) { config->listen = "127.0.0.1:99999"; }},
      {"metrics_listen", [](auto* config) { config->metrics_listen = "localhost:"; }},
      {"warm_up_chunks", [](auto* config) { config->warm_up_chunks = -1; }},
      {"drain_timeout", [](auto* config) { config->drain_timeout = -absl::Seconds(1); }},
      {"keepalive_time", [](auto* config) { config->keepalive_time = absl::ZeroDuration(); }},
      {"keepalive_timeout", [](auto* config) { config->keepalive_timeout = absl::InfiniteDuration(); }},
      {"max_prompt_bytes", [](auto* config) { config->rpc_limits.max_prompt_bytes = 0; }},
      {"max_first_message_bytes", [](auto* config) { config->rpc_limits.max_first_message_bytes = 10; }},
      {"max_control_message_bytes", [](auto* config) { config->rpc_limits.max_control_message_bytes = 5 << 20; }},
      {"control_messages_per_second", [](auto* config) { config->rpc_limits.control_messages_per_second = 0; }},
      {"control_message_burst", [](auto* config) { config->rpc_limits.control_message_burst = 0; }},
      {"first_message_timeout", [](auto* config) { config->rpc_limits.first_message_timeout = absl::ZeroDuration(); }},
      {"max_sessions_per_connection", [](auto* config) { config->rpc_limits.max_sessions_per_connection = 0; }},
      {"max_length_chunks", [](auto* config) { config->rpc_limits.max_length_chunks = 0; }},
      {"outbox", [](auto* config) { config->outbox_limits.high_chunks = 0; }},
      {"max_sessions", [](auto* config) { config->scheduler.max_sessions = 0; }},
  };
  for (const auto& [field, spoil] : spoilers) {
    ServerConfig config;
    spoil(&config);
    const absl::Status status = config.Validate();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << field;
    EXPECT_THAT(std::string(status.message()), HasSubstr(field));
  }
}

}  // namespace
}  // namespace videodiffcr
