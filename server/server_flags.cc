#include "server/server_flags.h"

#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/flags/usage_config.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

// Where.
ABSL_FLAG(std::string, listen, "127.0.0.1:50051",
          "Address for gRPC, host:port; port 0 takes a free one. Example: --listen=0.0.0.0:50051");
ABSL_FLAG(std::string, metrics_listen, "127.0.0.1:9464",
          "Address for Prometheus, host:port; port 0 takes a free one, empty means none. Example: "
          "--metrics_listen=0.0.0.0:9464");
ABSL_FLAG(std::string, port_file, "",
          "File to write the ports in use to (grpc_port=N, metrics_port=N) once the server serves; empty means none. "
          "Example: --port_file=/run/videodiffcr/ports");
// The model.
ABSL_FLAG(
    std::string, model_folder, "models/tiny",
    "Folder of the model: config.json, safetensors, spiece.model. Example: --model_folder=/models/wan2.1-t2v-1.3b");
ABSL_FLAG(std::string, device, "cpu", "Where the model runs: cpu or cuda. Example: --device=cuda");
ABSL_FLAG(std::string, precision, "bf16",
          "What a GPU computes in: fp32, bf16 or fp8 (docs/performance.md). Example: --precision=fp8");
ABSL_FLAG(int, threads, 0, "Threads of the model on the CPU; 0 means one per core. Example: --threads=2");
ABSL_FLAG(int, warm_up_chunks, 2, "Chunks generated and thrown away before serving. Example: --warm_up_chunks=0");
// Serving.
ABSL_FLAG(bool, reflection, true, "Let clients such as grpcurl ask for the API's description. Example: --noreflection");
ABSL_FLAG(absl::Duration, drain_timeout, absl::Seconds(25),
          "How long running sessions may take to end after SIGTERM. Example: --drain_timeout=50s");
ABSL_FLAG(absl::Duration, keepalive_time, absl::Seconds(60),
          "Ping connections that are silent for this long. Example: --keepalive_time=2m");
ABSL_FLAG(absl::Duration, keepalive_timeout, absl::Seconds(20),
          "Drop connections that leave a ping unanswered for this long. Example: --keepalive_timeout=10s");
// Limits of a call.
ABSL_FLAG(int64_t, max_prompt_bytes, 4096, "Longest prompt, in bytes. Example: --max_prompt_bytes=1024");
ABSL_FLAG(int64_t, max_first_message_bytes, 4194304,
          "Longest first message of a call, in bytes. Example: --max_first_message_bytes=65536");
ABSL_FLAG(int64_t, max_control_message_bytes, 65536,
          "Longest later message of a call, in bytes. Example: --max_control_message_bytes=8192");
ABSL_FLAG(double, control_messages_per_second, 20,
          "Control messages of one call, per second in the long run. Example: --control_messages_per_second=5");
ABSL_FLAG(int, control_message_burst, 40, "Control messages of one call at once. Example: --control_message_burst=10");
ABSL_FLAG(absl::Duration, first_message_timeout, absl::Seconds(10),
          "How long a call may stay open without its first message. Example: --first_message_timeout=3s");
ABSL_FLAG(int, max_sessions_per_connection, 16,
          "Sessions of one connection at once. Example: --max_sessions_per_connection=4");
ABSL_FLAG(int64_t, max_length_chunks, 4800, "Longest session, in chunks. Example: --max_length_chunks=100");
// Limits of the server.
ABSL_FLAG(int, max_sessions, 32, "Sessions that hold model memory at once. Example: --max_sessions=8");
ABSL_FLAG(int, max_waiting_sessions, 64,
          "Sessions that may wait for memory; more are refused at once. Example: --max_waiting_sessions=0");
ABSL_FLAG(int64_t, memory_budget_bytes, int64_t{2} << 30,
          "Model memory of all sessions together on the CPU, in bytes; on a GPU --gpu_sessions is the limit. "
          "Example: --memory_budget_bytes=1073741824");
ABSL_FLAG(int, gpu_sessions, 0,
          "Sessions whose memory is taken on the GPU at the start; 0 means as many as fit, at most 64. "
          "Example: --gpu_sessions=4");
ABSL_FLAG(
    int64_t, outbox_high_bytes, int64_t{8} << 20,
    "Encoded bytes waiting for one viewer at which its generation is held. Example: --outbox_high_bytes=33554432");
ABSL_FLAG(int64_t, outbox_low_bytes, int64_t{4} << 20,
          "Encoded bytes waiting for one viewer at which its generation goes on. Example: --outbox_low_bytes=16777216");
ABSL_FLAG(int, outbox_high_chunks, 4,
          "Chunks waiting for one viewer at which its generation is held. Example: --outbox_high_chunks=8");
ABSL_FLAG(int, outbox_low_chunks, 2,
          "Chunks waiting for one viewer at which its generation goes on. Example: --outbox_low_chunks=4");
// Scheduling.
ABSL_FLAG(std::string, policy, "edf",
          "Who takes the next step: edf (earliest deadline first), fifo or round_robin. Example: --policy=fifo");
ABSL_FLAG(
    int, max_sessions_per_plan, 0,
    "Sessions in one step of the engine; 0 means what the model says is worth it. Example: --max_sessions_per_plan=2");
ABSL_FLAG(int, delivery_threads, 2, "Threads that decode and encode chunks. Example: --delivery_threads=4");

namespace videodiffcr {
namespace {

void FillLimits(ServerConfig* config) {
  RpcLimits& rpc = config->rpc_limits;
  rpc.max_prompt_bytes = absl::GetFlag(FLAGS_max_prompt_bytes);
  rpc.max_first_message_bytes = absl::GetFlag(FLAGS_max_first_message_bytes);
  rpc.max_control_message_bytes = absl::GetFlag(FLAGS_max_control_message_bytes);
  rpc.control_messages_per_second = absl::GetFlag(FLAGS_control_messages_per_second);
  rpc.control_message_burst = absl::GetFlag(FLAGS_control_message_burst);
  rpc.first_message_timeout = absl::GetFlag(FLAGS_first_message_timeout);
  rpc.max_sessions_per_connection = absl::GetFlag(FLAGS_max_sessions_per_connection);
  rpc.max_length_chunks = absl::GetFlag(FLAGS_max_length_chunks);
  OutboxLimits& outbox = config->outbox_limits;
  outbox.high_bytes = absl::GetFlag(FLAGS_outbox_high_bytes);
  outbox.low_bytes = absl::GetFlag(FLAGS_outbox_low_bytes);
  outbox.high_chunks = absl::GetFlag(FLAGS_outbox_high_chunks);
  outbox.low_chunks = absl::GetFlag(FLAGS_outbox_low_chunks);
}

absl::Status FillScheduler(SchedulerConfig* scheduler) {
  scheduler->max_sessions = absl::GetFlag(FLAGS_max_sessions);
  scheduler->max_waiting_sessions = absl::GetFlag(FLAGS_max_waiting_sessions);
  scheduler->memory_budget_bytes = absl::GetFlag(FLAGS_memory_budget_bytes);
  scheduler->max_sessions_per_plan = absl::GetFlag(FLAGS_max_sessions_per_plan);
  scheduler->delivery_threads = absl::GetFlag(FLAGS_delivery_threads);
  absl::StatusOr<SchedulingPolicy> policy = ParseSchedulingPolicy(absl::GetFlag(FLAGS_policy));
  if (!policy.ok()) return policy.status();
  scheduler->policy = *policy;
  return absl::OkStatus();
}

}  // namespace

void DescribeProgram() {
  absl::SetProgramUsageMessage(
      "streams text-to-video over gRPC.\n\n  videodiffcr-server --model_folder=models/tiny\n\n"
      "It listens on this machine only, until --listen says otherwise; SIGTERM lets chunks in progress finish.");
  absl::FlagsUsageConfig usage;
  // Without this --help would show only flags of main.cc, where there are none.
  usage.contains_help_flags = usage.contains_helpshort_flags = [](absl::string_view file) {
    return absl::StrContains(file, "server/server_flags.cc");
  };
  absl::SetFlagsUsageConfig(usage);
}

absl::StatusOr<CommandLine> ParseCommandLine(int argc, char** argv) {
  const std::vector<char*> words = absl::ParseCommandLine(argc, argv);
  if (words.size() > 1) {
    return absl::InvalidArgumentError(absl::StrCat("\"", words[1], "\" is no flag; see --help"));
  }
  CommandLine command_line;
  ServerConfig& config = command_line.config;
  config.listen = absl::GetFlag(FLAGS_listen);
  config.metrics_listen = absl::GetFlag(FLAGS_metrics_listen);
  config.port_file = absl::GetFlag(FLAGS_port_file);
  config.reflection = absl::GetFlag(FLAGS_reflection);
  config.warm_up_chunks = absl::GetFlag(FLAGS_warm_up_chunks);
  config.drain_timeout = absl::GetFlag(FLAGS_drain_timeout);
  config.keepalive_time = absl::GetFlag(FLAGS_keepalive_time);
  config.keepalive_timeout = absl::GetFlag(FLAGS_keepalive_timeout);
  FillLimits(&config);
  if (absl::Status status = FillScheduler(&config.scheduler); !status.ok()) return status;
  command_line.model_folder = absl::GetFlag(FLAGS_model_folder);
  command_line.device = absl::GetFlag(FLAGS_device);
  command_line.threads = absl::GetFlag(FLAGS_threads);
  command_line.precision = absl::GetFlag(FLAGS_precision);
  command_line.gpu_sessions = absl::GetFlag(FLAGS_gpu_sessions);
  if (command_line.device != "cpu" && command_line.device != "cuda") {
    return absl::InvalidArgumentError(absl::StrCat("device is \"", command_line.device, "\"; it must be cpu or cuda"));
  }
  if (command_line.threads < 0 || command_line.threads > 1024) {
    return absl::InvalidArgumentError(absl::StrCat("threads is ", command_line.threads, "; it must be from 0 to 1024"));
  }
  if (absl::Status status = config.Validate(); !status.ok()) return status;
  return command_line;
}

}  // namespace videodiffcr
