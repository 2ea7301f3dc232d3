#include "server/server_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

TEST(ServerConfigTest, TheDefaultsAreValid) { EXPECT_TRUE(ServerConfig().Validate().ok()); }

TEST(ServerConfigTest, TheEndsOfEveryRangeAreInIt) {
  ServerConfig config;
  config.listen = "[fe80::1%eth0]:65535";
  config.metrics_listen = "";
  config.warm_up_chunks = 100;
  config.drain_timeout = absl::Hours(1);
  config.keepalive_time = absl::Hours(24);
  config.keepalive_timeout = absl::Hours(1);
  config.rpc_limits.max_prompt_bytes = 1 << 20;
  config.rpc_limits.max_first_message_bytes = config.rpc_limits.max_control_message_bytes = 64 << 20;
  config.rpc_limits.control_messages_per_second = config.rpc_limits.control_message_burst = 1'000'000;
  config.rpc_limits.first_message_timeout = absl::Hours(1);
  config.rpc_limits.max_sessions_per_connection = 1 << 30;
  config.rpc_limits.max_length_chunks = 1 << 30;
  EXPECT_EQ(config.Validate(), absl::OkStatus());
  config = ServerConfig();
  config.listen = "localhost:0";
  config.warm_up_chunks = 0;
  config.drain_timeout = absl::ZeroDuration();
  config.keepalive_time = config.keepalive_timeout = absl::Seconds(1);
  config.rpc_limits.max_prompt_bytes = 1;
  config.rpc_limits.max_first_message_bytes = config.rpc_limits.max_control_message_bytes = 1024;
  config.rpc_limits.control_messages_per_second = 0.01;
  config.rpc_limits.control_message_burst = 1;
  config.rpc_limits.first_message_timeout = absl::Milliseconds(1);
  config.rpc_limits.max_sessions_per_connection = 1;
  config.rpc_limits.max_length_chunks = 1;
  EXPECT_EQ(config.Validate(), absl::OkStatus());
}

TEST(ServerConfigTest, EveryFieldOutOfRangeIsRefusedByName) {
  const std::pair<const char*, std::function<void(ServerConfig*)>> spoilers[] = {
      {"listen", [](auto* config) { config->listen = "50051"; }},
      {"listen", [](auto* config) { config->listen = "127.0.0.1:99999"; }},
      {"advertised_ip", [](auto* config) { config->advertised_ip = "videodiffcr-0"; }},
      {"metrics_listen", [](auto* config) { config->metrics_listen = "localhost:"; }},
      {"listen", [](auto* config) { config->listen = ":50051"; }},
      {"listen", [](auto* config) { config->listen = "127.0.0.1:-1"; }},
      {"listen", [](auto* config) { config->listen = "127.0.0.1:65536"; }},
      {"warm_up_chunks", [](auto* config) { config->warm_up_chunks = -1; }},
      {"warm_up_chunks", [](auto* config) { config->warm_up_chunks = 101; }},
      {"max_prompt_bytes", [](auto* config) { config->rpc_limits.max_prompt_bytes = (1 << 20) + 1; }},
      {"max_first_message_bytes", [](auto* config) { config->rpc_limits.max_first_message_bytes = (64 << 20) + 1; }},
      {"first_message_timeout", [](auto* config) { config->rpc_limits.first_message_timeout = absl::Seconds(3601); }},
      {"drain_timeout", [](auto* config) { config->drain_timeout = -absl::Seconds(1); }},
      {"keepalive_time", [](auto* config) { config->keepalive_time = absl::ZeroDuration(); }},
      {"keepalive_timeout", [](auto* config) { config->keepalive_timeout = absl::InfiniteDuration(); }},
      {"max_prompt_bytes", [](auto* config) { config->rpc_limits.max_prompt_bytes = 0; }},
      {"max_first_message_bytes", [](auto* config) { config->rpc_limits.max_first_message_bytes = 10; }},
      {"max_control_message_bytes", [](auto* config) { config->rpc_limits.max_control_message_bytes = 5 << 20; }},
      {"control_messages_per_second", [](auto* config) { config->rpc_limits.control_messages_per_second = 0; }},
      {"control_messages_per_second", [](auto* config) { config->rpc_limits.control_messages_per_second = NAN; }},
      {"control_message_burst", [](auto* config) { config->rpc_limits.control_message_burst = 0; }},
      {"first_message_timeout", [](auto* config) { config->rpc_limits.first_message_timeout = absl::ZeroDuration(); }},
      {"max_streams_in_first_message", [](auto* config) { config->rpc_limits.max_streams_in_first_message = 0; }},
      {"min_ping_interval", [](auto* config) { config->rpc_limits.min_ping_interval = -absl::Seconds(1); }},
      {"listen", [](auto* config) { config->listen = "unix:/run/socket:0"; }},
      {"listen", [](auto* config) { config->listen = "ipv4:127.0.0.1:50051"; }},
      {"listen", [](auto* config) { config->listen = "::1:50051"; }},
      {"listen", [](auto* config) { config->listen = "[::1:50051"; }},
      {"listen", [](auto* config) { config->listen = "/run/socket:1"; }},
      {"metrics_listen", [](auto* config) { config->metrics_listen = "127.0.0.1:1,127.0.0.1:2"; }},
      {"upkeep_interval", [](auto* config) { config->upkeep_interval = absl::ZeroDuration(); }},
      {"max_connections", [](auto* config) { config->max_connections = 0; }},
      {"max_connections_per_peer", [](auto* config) { config->max_connections_per_peer = -1; }},
      {"transport_memory_bytes", [](auto* config) { config->transport_memory_bytes = 1 << 20; }},
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
