#include "server/server_flags.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "command_line/command.h"

namespace videodiffcr {
namespace {

CommandText ProgramText() {
  return {"videodiffcr-server", "streams text-to-video over gRPC",
          "It listens on this machine only, until --listen says otherwise; SIGTERM lets chunks in progress finish. "
          "`videodiffcr-server tokens` keeps the file of who may call.",
          "videodiffcr-server --model-folder models/tiny --listen 0.0.0.0:50051"};
}

void AddAddresses(ServerConfig* config, Command* command) {
  command->BeginGroup("Where");
  command->AddFlag({"listen", "HOST:PORT", "Address for gRPC; port 0 takes a free one.", "0.0.0.0:50051"},
                   ReadString(&config->listen));
  command->AddFlag({"metrics-listen", "HOST:PORT", "Address for Prometheus; port 0 takes a free one, empty means none.",
                    "0.0.0.0:9464"},
                   ReadString(&config->metrics_listen));
  command->AddFlag(
      {"admin-listen", "HOST:PORT",
       "Address for a platform's probes: plaintext gRPC with the health service and reflection alone; port "
       "0 takes a free one, empty, as it is by default, means none.",
       "127.0.0.1:50052"},
      ReadString(&config->admin_listen));
  command->AddFlag({"advertised-ip", "ADDRESS",
                    "IP address at which a proxy in front of many servers reaches this one, by the port of --listen. "
                    "Then resume and "
                    "watch tokens say by which value of the metadata videodiffcr-server the proxy finds it again "
                    "(docs/operating.md); empty, as it is by default, means they say nothing.",
                    "10.1.2.3"},
                   ReadString(&config->advertised_ip));
  command->AddFlag({"port-file", "FILE",
                    "File to write the ports in use to (grpc_port=N, metrics_port=N, admin_port=N) once the server "
                    "serves; empty, as "
                    "it is by default, means none.",
                    "/run/videodiffcr/ports"},
                   ReadString(&config->port_file));
}

// One of a few names for the values of an enum, in its order.
template <typename Enum>
FlagReader ReadEnum(std::vector<std::string> names, Enum* out) {
  const std::string wanted = absl::StrJoin(names, ", ");
  const std::string default_text = names[static_cast<size_t>(*out)];
  const auto read = [names = std::move(names), wanted, out](std::string_view value) {
    for (size_t i = 0; i < names.size(); ++i) {
      if (value != names[i]) continue;
      *out = static_cast<Enum>(i);
      return absl::OkStatus();
    }
    return absl::InvalidArgumentError(absl::StrCat("must be one of ", wanted));
  };
  return {read, default_text};
}

void AddAccess(ServerConfig* config, Command* command) {
  command->BeginGroup("Who may call");
  command->AddFlag({"tls-certificate", "FILE",
                    "The server's certificate and those between it and its root, in PEM form; with it, the port for "
                    "calls speaks TLS alone. Read again when it changes, as are the next two.",
                    "/etc/videodiffcr/tls.crt"},
                   ReadString(&config->tls.certificate));
  command->AddFlag({"tls-key", "FILE", "The certificate's key, in PEM form.", "/etc/videodiffcr/tls.key"},
                   ReadString(&config->tls.key));
  command->AddFlag(
      {"tls-client-ca", "FILE", "Who may have signed a client's certificate, in PEM form; with it, clients need one.",
       "/etc/videodiffcr/client_ca.crt"},
      ReadString(&config->tls.client_ca));
  command->AddFlag({"tokens-file", "FILE",
                    "Tenants, their tokens and limits, as `videodiffcr-server tokens` writes them; with it, calls need "
                    "a token. Read again when it changes.",
                    "/etc/videodiffcr/tokens.json"},
                   ReadString(&config->tokens_file));
  command->AddFlag({"snapshot-key-file", "FILE",
                    "A key of 32 bytes or more, the same on all servers of a model: snapshots of sessions are sealed "
                    "with it, and no other is taken. Without it anybody who may call may bring a snapshot of their own "
                    "making. `openssl rand -out FILE 32` makes one.",
                    "/etc/videodiffcr/snapshot.key"},
                   ReadString(&config->snapshot_key_file));
}

void AddModel(CommandLine* line, Command* command) {
  command->BeginGroup("The model");
  command->AddFlag({"model-folder", "FOLDER", "Folder of the model: config.json, safetensors, spiece.model.",
                    "/models/wan2.1-t2v-1.3b"},
                   ReadString(&line->model_folder));
  command->AddFlag({"device", "NAME", "Where the model runs: cpu or cuda.", "cuda"}, ReadDevice(&line->device));
  command->AddFlag({"precision", "NAME", "What a GPU computes in: fp32, bf16 or fp8 (docs/performance.md).", "fp8"},
                   ReadChoice({"fp32", "bf16", "fp8"}, &line->precision));
  command->AddFlag({"threads", "N", "Threads of the model on the CPU; 0 means one per core.", "2"},
                   ReadInteger(0, 1024, &line->threads));
  command->AddFlag({"engine-niceness", "N",
                    "How far these threads stand back for those that answer calls, in nice levels, 0 to 19; those that "
                    "decode and encode stand back half as far. More: shorter waits for a refusal or an answer; beside "
                    "other busy programs on the machine also less of it.",
                    "0"},
                   ReadInteger(&line->config.scheduler.engine_niceness));
  command->AddFlag(
      {"long-prompts", "NAME",
       "What happens to prompts of more tokens than the model takes: refuse, or truncate to what it takes, "
       "with a warning that says how much was cut.",
       "truncate"},
      ReadChoice({"refuse", "truncate"}, &line->long_prompts));
  command->AddFlag({"warm-up-chunks", "N", "Chunks generated and thrown away before serving.", "0"},
                   ReadInteger(&line->config.warm_up_chunks));
}

void AddServing(ServerConfig* config, Command* command) {
  command->BeginGroup("Serving");
  command->AddSwitch("reflection", "Let clients such as grpcurl ask for the API's description.", &config->reflection);
  command->AddFlag({"drain-timeout", "TIME", "How long running sessions may take to end after SIGTERM.", "50s"},
                   ReadDuration(&config->drain_timeout));
  command->AddFlag({"keepalive-time", "TIME", "Ping connections that are silent for this long.", "2m"},
                   ReadDuration(&config->keepalive_time));
  command->AddFlag({"log-format", "NAME", "What lines on standard error look like: text or json.", "json"},
                   ReadEnum({"text", "json"}, &config->log_format));
  command->AddFlag({"log-level", "NAME",
                    "The least that is written: debug, info, warning or error. Who began, ended and was refused is "
                    "written at any level.",
                    "warning"},
                   ReadEnum({"debug", "info", "warning", "error"}, &config->log_level));
  command->AddSwitch("log-prompts", "Let lines about refused calls quote what the client sent, prompts too.",
                     &config->log_prompts);
  command->AddSwitch("behind-proxy",
                     "Calls come through a trusted proxy whose connections carry the calls of many: count neither "
                     "sessions nor connections by connection or by peer.",
                     &config->rpc_limits.behind_proxy);
  command->AddFlag({"min-ping-interval", "TIME",
                    "How often a client may ping, busy or not; one that pings more often is disconnected.", "1s"},
                   ReadDuration(&config->rpc_limits.min_ping_interval));
  command->AddFlag(
      {"max-connection-age", "TIME", "Tell a connection of this age to make way for another; 0 means any age.", "2h"},
      ReadDuration(&config->max_connection_age));
  command->AddFlag(
      {"max-connection-age-grace", "TIME",
       "How long the calls of such a connection may go on; sessions that are resumable outlive it.", "10m"},
      ReadDuration(&config->max_connection_age_grace));
  command->AddFlag({"keepalive-timeout", "TIME", "Drop connections that leave a ping unanswered for this long.", "10s"},
                   ReadDuration(&config->keepalive_timeout));
}

void AddLimitsOfACall(RpcLimits* limits, Command* command) {
  command->BeginGroup("Limits of a call");
  command->AddFlag({"max-prompt-bytes", "N", "Longest prompt, in bytes.", "1024"},
                   ReadInteger(&limits->max_prompt_bytes));
  command->AddFlag({"max-first-message-bytes", "N", "Longest first message of a call, in bytes.", "65536"},
                   ReadInteger(&limits->max_first_message_bytes));
  command->AddFlag({"max-control-message-bytes", "N", "Longest later message of a call, in bytes.", "8192"},
                   ReadInteger(&limits->max_control_message_bytes));
  command->AddFlag(
      {"control-messages-per-second", "X", "Control messages of one call, per second in the long run.", "5"},
      ReadDouble(&limits->control_messages_per_second));
  command->AddFlag({"control-message-burst", "N", "Control messages of one call at once.", "10"},
                   ReadInteger(&limits->control_message_burst));
  command->AddFlag({"first-message-timeout", "TIME", "How long a call may take to send its first message whole.", "3s"},
                   ReadDuration(&limits->first_message_timeout));
  command->AddFlag({"max-streams-in-first-message", "N",
                    "Calls at once that have not sent their first message whole; one more ends the oldest of the "
                    "connection that has the most of them.",
                    "64"},
                   ReadInteger(&limits->max_streams_in_first_message));
  command->AddFlag({"max-sessions-per-connection", "N", "Sessions of one connection at once.", "4"},
                   ReadInteger(&limits->max_sessions_per_connection));
  command->AddFlag(
      {"disconnect-grace", "TIME",
       "How long a session that asks to be resumable waits for its client after its call broke off.", "60s"},
      ReadDuration(&limits->disconnect_grace));
  command->AddFlag({"max-watchers-per-session", "N", "Viewers of one session beside its own; 0: none.", "100"},
                   ReadInteger(&limits->max_watchers_per_session));
  command->AddFlag({"max-watchers", "N", "The same of all sessions together.", "1000"},
                   ReadInteger(&limits->max_watchers));
  command->AddFlag({"max-length-chunks", "N", "Longest session, in chunks.", "100"},
                   ReadInteger(&limits->max_length_chunks));
}

void AddLimitsOfTheServer(CommandLine* line, Command* command) {
  SchedulerConfig& scheduler = line->config.scheduler;
  OutboxLimits& outbox = line->config.outbox_limits;
  command->BeginGroup("Limits of the server");
  command->AddFlag({"max-connections", "N",
                    "Connections at once; fewer when the system allows fewer descriptors (ulimit -n).", "200"},
                   ReadInteger(&line->config.max_connections));
  command->AddFlag(
      {"max-connections-per-peer", "N", "Connections from one IP address; 0, as it is by default: not counted.", "20"},
      ReadInteger(&line->config.max_connections_per_peer));
  command->AddFlag({"transport-memory-bytes", "N",
                    "What may be held of messages on their way in, all connections together, in bytes.", "67108864"},
                   ReadInteger(&line->config.transport_memory_bytes));
  command->AddFlag({"max-sessions", "N", "Sessions that hold model memory at once.", "8"},
                   ReadInteger(&scheduler.max_sessions));
  command->AddFlag(
      {"max-waiting-sessions", "N",
       "Sessions that may wait for a place: memory, and time of the engine; more are refused at once.", "0"},
      ReadInteger(&scheduler.max_waiting_sessions));
  command->AddFlag({"idle-timeout", "TIME",
                    "Wait for the client of a session that it holds back for this long: paused, out of credits, or not "
                    "reading; 0 means for ever.",
                    "10m"},
                   ReadDuration(&scheduler.idle_timeout));
  command->AddFlag({"idle-grace", "TIME", "How long it is told that it is waited for before the session ends.", "2m"},
                   ReadDuration(&scheduler.idle_grace));
  command->AddFlag(
      {"session-lifetime", "TIME", "End a session after the chunk at which it is so old; 0 means never.", "20m"},
      ReadDuration(&scheduler.session_lifetime));
  command->AddFlag({"memory-budget-bytes", "N",
                    "Model memory of all sessions together on the CPU, in bytes; on a GPU --gpu-sessions is the limit.",
                    "1073741824"},
                   ReadInteger(&scheduler.memory_budget_bytes));
  command->AddFlag({"gpu-sessions", "N",
                    "Sessions whose memory is taken on the GPU at the start; 0 means as many as fit, at most 64.", "4"},
                   ReadInteger(&line->gpu_sessions));
  command->AddFlag(
      {"outbox-high-bytes", "N", "Encoded bytes waiting for one viewer at which its generation is held.", "33554432"},
      ReadInteger(&outbox.high_bytes));
  command->AddFlag(
      {"outbox-low-bytes", "N", "Encoded bytes waiting for one viewer at which its generation goes on.", "1048576"},
      ReadInteger(&outbox.low_bytes));
  command->AddFlag({"outbox-high-chunks", "N", "Chunks waiting for one viewer at which its generation is held.", "8"},
                   ReadInteger(&outbox.high_chunks));
  command->AddFlag({"outbox-low-chunks", "N", "Chunks waiting for one viewer at which its generation goes on.", "1"},
                   ReadInteger(&outbox.low_chunks));
  command->AddFlag(
      {"replay-chunks", "N", "Chunks of one resumable session that are kept until they are acknowledged.", "32"},
      ReadInteger(&line->config.replay_limits.chunks));
  command->AddFlag({"replay-bytes", "N", "The same in bytes.", "33554432"},
                   ReadInteger(&line->config.replay_limits.bytes));
  command->AddFlag({"replay-memory-bytes", "N",
                    "What resumable sessions that are over may hold for clients that have not come back, in bytes, all "
                    "together; the oldest are let go of beyond it.",
                    "67108864"},
                   ReadInteger(&line->config.rpc_limits.replay_memory_bytes));
}

FlagReader ReadPolicy(SchedulingPolicy* out) {
  const auto read = [out](std::string_view value) {
    const absl::StatusOr<SchedulingPolicy> policy = ParseSchedulingPolicy(value);
    if (!policy.ok()) return absl::InvalidArgumentError("must be edf, fifo or round_robin");
    *out = *policy;
    return absl::OkStatus();
  };
  return {read, std::string(SchedulingPolicyName(*out))};
}

void AddScheduling(SchedulerConfig* scheduler, Command* command) {
  command->BeginGroup("Scheduling");
  command->AddFlag(
      {"policy", "NAME", "Who takes the next step: edf (earliest deadline first), fifo or round_robin.", "fifo"},
      ReadPolicy(&scheduler->policy));
  command->AddFlag({"max-sessions-per-plan", "N",
                    "Sessions in one step of the engine; 0 means what the model says is worth it.", "2"},
                   ReadInteger(&scheduler->max_sessions_per_plan));
  command->AddSwitch("budget-controller",
                     "Lower budgets between a session's floor and target so that chunks are in time, and raise them "
                     "again; then let run-ahead, late chunks and batch sessions give way.",
                     &scheduler->budget_controller);
  command->AddSwitch("slack-admission",
                     "Let a session with playout begin only if the engine can serve it and those that run, all at "
                     "their floors.",
                     &scheduler->slack_admission);
  command->AddFlag({"delivery-threads", "N", "Threads that decode and encode chunks.", "4"},
                   ReadInteger(&scheduler->delivery_threads));
}

}  // namespace

absl::StatusOr<CommandLine> ParseCommandLine(const std::vector<std::string_view>& arguments) {
  CommandLine line;
  Command command(ProgramText());
  command.LetTheLastCount();
  AddAddresses(&line.config, &command);
  AddAccess(&line.config, &command);
  AddModel(&line, &command);
  AddServing(&line.config, &command);
  AddLimitsOfACall(&line.config.rpc_limits, &command);
  AddLimitsOfTheServer(&line, &command);
  AddScheduling(&line.config.scheduler, &command);
  command.BeginGroup("Instead of serving");
  command.AddSwitch("diagnose", "Print what to send with a bug report; it holds no secret.", &line.diagnose);
  command.AddCheck([&line, &command] { return command.NameFlags(line.config.Validate()); });
  const absl::StatusOr<ParsedCommand> parsed = command.Parse(arguments);
  if (!parsed.ok()) return parsed.status();
  line.answer = parsed->answer;
  return line;
}

}  // namespace videodiffcr
