#include "client/info_command.h"

#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/security_flags.h"
#include "client/video_client.h"
#include "command_line/flag_reader.h"
#include "command_line/printable_text.h"
#include "command_line/program.h"
#include "command_line/wrap_text.h"
#include "proto/proto_duration.h"

namespace videodiffcr {
namespace {

constexpr absl::Duration kConnectTimeout = absl::Seconds(5);
constexpr absl::Duration kLoadTimeout = absl::Minutes(1);

// CODEC_H264 as "H264": an enum value's name without the enum's.
std::string ShortName(const std::string& name, absl::string_view prefix) {
  return absl::StartsWith(name, prefix) ? name.substr(prefix.size()) : name;
}

std::string FormatModel(const v1::ModelInfo& model) {
  std::string text =
      absl::StrCat("model      ", PrintableText(model.name()), ": ", PrintableText(model.description()), "\n");
  for (const v1::Resolution& size : model.resolutions()) {
    absl::StrAppend(&text, "size       ", size.width(), "x", size.height(), " at ",
                    absl::StrJoin(model.frames_per_second(), " or "), " frames per second\n");
  }
  absl::StrAppend(&text, "chunk      ", model.chunk_frames(), " frames (the first of a scene ",
                  model.first_chunk_frames(), "), ", model.denoise_steps(), " denoising passes\n");
  for (const v1::BudgetInfo& budget : model.budgets()) {
    absl::StrAppendFormat(&text, "budget     nominal %.2f, executed %.3f", budget.nominal(), budget.executed());
    if (!model.cache_score().empty()) absl::StrAppendFormat(&text, ", %.2f of the cache stays", budget.cache());
    text += "\n";
  }
  if (!model.cache_score().empty()) {
    absl::StrAppend(&text, "cache      keys that stay are chosen by ", PrintableText(model.cache_score()), "\n");
  }
  absl::StrAppendFormat(&text, "memory     %.1f MiB per session\n",
                        static_cast<double>(model.session_bytes()) / (1 << 20));
  return text;
}

std::string FormatLimits(const v1::ServerLimits& limits) {
  std::string text =
      absl::StrCat("limits     prompt ", limits.max_prompt_bytes(), " bytes, ", limits.max_prompt_tokens(), " tokens; ",
                   limits.max_length_chunks(), " chunks per session\n");
  absl::StrAppend(&text, "           ", limits.max_sessions(), " sessions, ");
  if (limits.max_sessions_per_connection() > 0) {
    absl::StrAppend(&text, limits.max_sessions_per_connection(), " per connection, ");
  }
  absl::StrAppend(&text, limits.max_waiting_sessions(), " waiting\n");
  absl::StrAppend(&text, "           ", limits.max_control_messages_per_second(), " control messages per second, ",
                  limits.max_control_message_burst(), " in a burst; first message within ",
                  ToSeconds(limits.first_message_timeout()), " s\n");
  absl::StrAppend(&text, "           messages of ", limits.max_first_message_bytes(), " bytes (first), ",
                  limits.max_control_message_bytes(), " bytes (later)\n");
  return text;
}

// Those that do not hold are left out.
std::string FormatTimes(const v1::ServerLimits& limits) {
  std::string text;
  if (const double idle = ToSeconds(limits.idle_timeout()); idle > 0) {
    absl::StrAppend(&text, "           a session that its client holds back is waited for after ", idle,
                    " s, and ends ", ToSeconds(limits.idle_grace()), " s later\n");
  }
  if (const double grace = ToSeconds(limits.disconnect_grace()); grace > 0) {
    absl::StrAppend(&text, "           a resumable session waits ", grace, " s for its client to come back\n");
  }
  if (const double lifetime = ToSeconds(limits.session_lifetime()); lifetime > 0) {
    absl::StrAppend(&text, "           a session ends when it is ", lifetime, " s old\n");
  }
  return text;
}

// Empty for who calls without a token, or has no limits of its own.
std::string FormatTenant(const v1::ServerLimits& limits) {
  std::vector<std::string> own;
  if (limits.has_tenant_sessions()) own.push_back(absl::StrCat(limits.tenant_sessions(), " sessions"));
  if (limits.has_tenant_waiting_sessions()) own.push_back(absl::StrCat(limits.tenant_waiting_sessions(), " waiting"));
  if (limits.has_tenant_chunks_per_minute()) {
    own.push_back(absl::StrCat(limits.tenant_chunks_per_minute(), " chunks a minute"));
  }
  return own.empty() ? "" : absl::StrCat("your own   ", absl::StrJoin(own, ", "), "\n");
}

struct InfoOptions {
  std::string server = "localhost:50051";
  ChannelSecurity security;
};

absl::Status RunInfo(const InfoOptions& options) {
  const absl::StatusOr<std::unique_ptr<VideoClient>> client =
      VideoClient::Connect(options.server, kConnectTimeout, kLoadTimeout, options.security);
  if (!client.ok()) return client.status();
  const absl::StatusOr<v1::GetServerInfoResponse> info = (*client)->GetServerInfo();
  if (!info.ok()) return info.status();
  return WriteText(FormatServerInfo(*info), std::cout);
}

}  // namespace

std::string FormatServerInfo(const v1::GetServerInfoResponse& info) {
  std::string text = absl::StrCat("server     ", PrintableText(info.version()), " on ", PrintableText(info.device()),
                                  ", ", info.active_sessions(), " active sessions\n");
  absl::StrAppend(&text, FormatModel(info.model()));
  if (info.has_measured_chunk_period()) {
    absl::StrAppendFormat(&text, "measured   %.3f s per chunk\n", ToSeconds(info.measured_chunk_period()));
  }
  for (const v1::SupportedOutput& output : info.outputs()) {
    absl::StrAppend(&text, "output     ", ShortName(v1::Codec_Name(output.codec()), "CODEC_"), " in ",
                    ShortName(v1::Container_Name(output.container()), "CONTAINER_"), "\n");
  }
  absl::StrAppend(&text, FormatLimits(info.limits()), FormatTimes(info.limits()), FormatTenant(info.limits()));
  if (!info.model().vocabulary().empty()) {
    absl::StrAppend(&text, "words the model knows\n",
                    WrapText(PrintableText(absl::StrJoin(info.model().vocabulary(), " ")), "           "));
  }
  if (!info.model().example_prompts().empty()) absl::StrAppend(&text, "prompts that work well\n");
  for (const std::string& prompt : info.model().example_prompts()) {
    absl::StrAppend(&text, "           ", PrintableText(prompt), "\n");
  }
  return text;
}

Subcommand InfoSubcommand() {
  CommandText text = {"info", "prints what a server can do",
                      "That is: its model, sizes, budgets, limits, words that it knows and prompts that work well.",
                      "videodiffcr info --server localhost:50051"};
  const auto add = [](Command* command) {
    const auto options = std::make_shared<InfoOptions>();
    command->AddFlag({"server", "HOST:PORT", "The server that is asked.", "gpu-7:50051"},
                     ReadServerAddress(&options->server));
    AddSecurityFlags(&options->security, command);
    return [options] { return RunInfo(*options); };
  };
  return {std::move(text), add};
}

}  // namespace videodiffcr
