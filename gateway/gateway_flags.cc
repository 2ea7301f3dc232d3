#include "gateway/gateway_flags.h"

#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "client/security_flags.h"
#include "command_line/command.h"

namespace videodiffcr {
namespace {

CommandText ProgramText() {
  return {"videodiffcr-gateway", "speaks HTTP for a VideoDiffCR server: a page, live video, jobs",
          "It is a client of the server, and listens on this machine only, until --listen says otherwise. SIGTERM ends "
          "its live sessions and it.",
          "videodiffcr-gateway --server localhost:50051 --listen 0.0.0.0:8080"};
}

// One or several, with commas between them; the flag may be repeated.
FlagReader ReadServers(std::vector<std::string>* out) {
  const auto read = [out, given = false](std::string_view value) mutable -> absl::Status {
    if (!std::exchange(given, true)) out->clear();
    for (absl::string_view part : absl::StrSplit(absl::string_view(value.data(), value.size()), ',')) {
      std::string address;
      if (absl::Status status = ReadServerAddress(&address).read(std::string(part)); !status.ok()) return status;
      out->push_back(std::move(address));
    }
    return absl::OkStatus();
  };
  return {read, absl::StrJoin(*out, ",")};
}

FlagReader ReadBytes(size_t* out) {
  const auto read = [out](std::string_view value) {
    int64_t bytes = 0;
    absl::Status status = ReadInteger(0, int64_t{1} << 40, &bytes).read(value);
    if (status.ok()) *out = static_cast<size_t>(bytes);
    return status;
  };
  return {read, absl::StrCat(*out)};
}

void AddAddresses(GatewayConfig* config, Command* command) {
  command->BeginGroup("Where");
  command->AddRepeatedFlag({"server", "HOST:PORT",
                            "The server to be a client of; several, by commas or by repeating the flag, take turns, "
                            "and go on with what one of "
                            "them leaves.",
                            "gpu-7:50051"},
                           ReadServers(&config->servers));
  command->AddFlag(
      {"server-patience", "TIME",
       "How long a live session or job whose server is lost is asked for again, there and at the others.", "2m"},
      ReadDuration(&config->server_patience));
  command->AddFlag({"listen", "HOST:PORT", "Address for HTTP; port 0 takes a free one.", "0.0.0.0:8080"},
                   ReadString(&config->http.listen));
  command->AddFlag({"metrics-listen", "HOST:PORT", "Address for Prometheus; port 0 takes a free one, empty means none.",
                    "0.0.0.0:9465"},
                   ReadString(&config->metrics_listen));
  command->AddFlag({"port-file", "FILE",
                    "File to write the ports in use to (http_port=N, metrics_port=N); empty, as it is by default, "
                    "means none.",
                    "/run/videodiffcr/gateway"},
                   ReadString(&config->port_file));
  command->AddFlag({"allow-origin", "ORIGIN",
                    "Pages of this origin may call, too; * means all. Empty, as it is by default: only our own page.",
                    "https://example.org"},
                   ReadString(&config->allow_origin));
}

void AddLive(LiveSessionsOptions* live, Command* command) {
  command->BeginGroup("Live sessions");
  command->AddFlag({"max-live-sessions", "N", "Live sessions that run at once.", "4"},
                   ReadInteger(&live->max_sessions));
  command->AddFlag({"max-viewers", "N", "Viewers at once, of all live sessions together: videos and events.", "1000"},
                   ReadInteger(&live->max_viewers));
  command->AddFlag({"kept-chunks", "N", "Chunks of a live session that are kept for who watches.", "128"},
                   ReadBytes(&live->limits.chunks.max_items));
  command->AddFlag({"kept-bytes", "N", "Bytes of a live session's chunks that are kept.", "67108864"},
                   ReadBytes(&live->limits.chunks.max_bytes));
  command->AddFlag({"abandoned-after", "TIME", "End a live session that nobody looks at for this long.", "5m"},
                   ReadDuration(&live->abandoned_after));
  command->AddFlag({"keep-ended", "TIME", "Keep what a live session left for this long after its end.", "1m"},
                   ReadDuration(&live->keep_ended));
}

void AddJobs(GatewayConfig* config, Command* command) {
  command->BeginGroup("Jobs (/v1/videos)");
  command->AddFlag({"jobs-folder", "FOLDER",
                    "Where videos are kept, over restarts too; empty, as it is by default, means a temporary folder "
                    "that goes at the end.",
                    "/var/lib/videodiffcr"},
                   ReadString(&config->jobs.folder));
  command->AddFlag({"jobs-bytes", "N", "Bytes of all videos; the oldest go when more are needed.", "10737418240"},
                   ReadInteger(&config->jobs.max_bytes));
  command->AddFlag({"max-jobs", "N", "Jobs that are remembered; the oldest ended ones go.", "100"},
                   ReadInteger(&config->jobs.max_jobs));
  command->AddFlag({"keep-jobs", "TIME", "How long a job is kept after its end.", "1h"},
                   ReadDuration(&config->jobs.keep));
  command->AddFlag({"jobs-at-once", "N", "Videos that are made at once.", "4"}, ReadInteger(&config->jobs_at_once));
  command->AddFlag({"max-waiting-jobs", "N", "Jobs that wait for their turn; more are refused.", "8"},
                   ReadInteger(&config->max_waiting_jobs));
}

void AddLimits(HttpServerOptions* http, Command* command) {
  command->BeginGroup("Limits of HTTP");
  command->AddFlag({"max-connections", "N", "Connections at once; one more is answered 503.", "100"},
                   ReadInteger(&http->max_connections));
  command->AddFlag({"max-header-bytes", "N", "Longest header of a request, in bytes.", "8192"},
                   ReadBytes(&http->max_header_bytes));
  command->AddFlag({"max-body-bytes", "N", "Longest body of a request, in bytes.", "8192"},
                   ReadBytes(&http->max_body_bytes));
  command->AddFlag({"request-timeout", "TIME", "How long a request may take to arrive whole.", "3s"},
                   ReadDuration(&http->request_timeout));
  command->AddFlag({"send-timeout", "TIME", "How long a peer may take to accept a piece of its answer.", "10s"},
                   ReadDuration(&http->send_timeout));
  command->AddFlag({"answer-timeout", "TIME", "How long an answer may take to begin; then it is 504.", "30s"},
                   ReadDuration(&http->answer_timeout));
}

}  // namespace

absl::StatusOr<GatewayCommandLine> ParseGatewayCommandLine(const std::vector<std::string_view>& arguments) {
  GatewayCommandLine line;
  Command command(ProgramText());
  command.LetTheLastCount();
  AddAddresses(&line.config, &command);
  AddSecurityFlags(&line.config.server_security, &command, "server-");
  AddLive(&line.config.live, &command);
  AddJobs(&line.config, &command);
  AddLimits(&line.config.http, &command);
  command.AddCheck([&line, &command] { return command.NameFlags(line.config.Validate()); });
  const absl::StatusOr<ParsedCommand> parsed = command.Parse(arguments);
  if (!parsed.ok()) return parsed.status();
  line.answer = parsed->answer;
  return line;
}

}  // namespace videodiffcr
