#include "client/top_command.h"

#include <unistd.h>

#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "client/channel_security.h"
#include "client/http_get.h"
#include "client/interrupt.h"
#include "client/running_calls.h"
#include "client/security_flags.h"
#include "client/top_table.h"
#include "client/video_client.h"
#include "command_line/flag_reader.h"
#include "system/steady_time.h"

namespace videodiffcr {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(2);
constexpr char kClearScreen[] = "\x1b[H\x1b[2J";

struct TopOptions {
  std::vector<std::string> metrics;  // addresses
  std::vector<std::string> servers;  // of the same servers, in the same order; or none
  ChannelSecurity security;
  absl::Duration interval = absl::Seconds(1);
  bool once = false;
};

// One look at a server; the one before becomes `before`.
void Look(TopServer* server, absl::Time* looked_at) {
  const absl::StatusOr<std::string> page = HttpGetPage(server->name, "/metrics", kPatience);
  server->reached = page.status();
  if (!page.ok()) return;
  absl::StatusOr<MetricsText> metrics = ReadServerMetrics(*page);
  server->reached = metrics.status();
  if (!metrics.ok()) return;
  const absl::Time now = SteadyNow();
  server->before = std::exchange(server->now, *std::move(metrics));
  server->between = now - std::exchange(*looked_at, now);
}

absl::StatusOr<int> MaxSessionsOf(const std::string& address, const ChannelSecurity& security) {
  const auto client = VideoClient::Connect(address, kPatience, absl::ZeroDuration(), security);
  if (!client.ok()) return client.status();
  const absl::StatusOr<v1::GetServerInfoResponse> info = (*client)->GetServerInfo();
  if (!info.ok()) return info.status();
  return info->limits().max_sessions();
}

absl::Status RunTop(const TopOptions& options) {
  RunningCalls calls;  // none: it is what sleeps until somebody wants an end
  const auto end = [&calls] {
    calls.CancelAll();
    return true;
  };
  const InterruptWatcher watcher(end, /*is_stuck=*/[] { return true; });
  std::vector<TopServer> servers(options.metrics.size());
  std::vector<absl::Time> looked_at(servers.size(), absl::InfinitePast());
  for (size_t i = 0; i < servers.size(); ++i) {
    servers[i].name = options.metrics[i];
    Look(&servers[i], &looked_at[i]);
    if (i < options.servers.size()) servers[i].max_sessions = MaxSessionsOf(options.servers[i], options.security);
  }
  const bool screen = !options.once && isatty(STDOUT_FILENO) != 0;
  while (calls.Sleep(options.interval)) {
    for (size_t i = 0; i < servers.size(); ++i) Look(&servers[i], &looked_at[i]);
    const std::string table = absl::StrCat(screen ? kClearScreen : "", TopTable(servers));
    if (absl::Status status = WriteText(table, std::cout); !status.ok()) return status;
    if (options.once) return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::Status CheckOptions(const TopOptions& options) {
  if (options.metrics.empty()) return absl::InvalidArgumentError("--metrics is needed, once for each server");
  if (!options.servers.empty() && options.servers.size() != options.metrics.size()) {
    return absl::InvalidArgumentError(absl::StrCat("--server is given ", options.servers.size(),
                                                   " times and --metrics ", options.metrics.size(),
                                                   " times; they go together, in one order"));
  }
  if (options.interval <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--interval is ", absl::FormatDuration(options.interval), "; it must be more than 0"));
  }
  return absl::OkStatus();
}

}  // namespace

Subcommand TopSubcommand() {
  CommandText text = {"top", "shows what servers are doing, once a second",
                      "A row per server: sessions that run and wait, chunks per second, median time to the first "
                      "chunk, the slack that 95 % of chunks had, continuous-play ratio, budget asked for and executed, "
                      "share of the KV cache in use, memory, refused sessions. Ctrl-C ends it.",
                      "videodiffcr top --metrics gpu-1:9464 --metrics gpu-2:9464"};
  const auto add = [](Command* command) -> std::function<absl::Status()> {
    const auto options = std::make_shared<TopOptions>();
    command->AddRepeatedFlag({"metrics", "HOST:PORT", "A server's address for Prometheus.", "gpu-1:9464"},
                             AppendServerAddress(&options->metrics));
    command->AddRepeatedFlag(
        {"server", "HOST:PORT", "Its address for calls, to be asked for its limits.", "gpu-1:50051"},
        AppendServerAddress(&options->servers));
    command->AddFlag({"interval", "TIME", "Between two looks.", "5s"}, ReadDuration(&options->interval));
    command->AddSwitch("once", "Print one table, after one interval.", &options->once);
    AddSecurityFlags(&options->security, command);
    command->AddCheck([options] { return CheckOptions(*options); });
    return [options] { return RunTop(*options); };
  };
  return {std::move(text), add};
}

}  // namespace videodiffcr
