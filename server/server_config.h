// The whole configuration of the server, as plain data. server_flags.h fills it from the command line.
#ifndef VIDEODIFFCR_SERVER_SERVER_CONFIG_H_
#define VIDEODIFFCR_SERVER_SERVER_CONFIG_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "scheduler/scheduler_config.h"
#include "server/access/certificate_files.h"
#include "server/delivery/stream_outbox.h"
#include "server/logging/log_line.h"
#include "server/rpc/rpc_limits.h"

namespace videodiffcr {

struct ServerConfig {
  // --- where ---

  // Address of the gRPC calls, "host:port"; port 0 takes a free one.
  std::string listen = "127.0.0.1:50051";

  // Address of the Prometheus endpoint, "host:port"; empty: none.
  std::string metrics_listen = "127.0.0.1:9464";

  // Address of the plaintext port for probes (admin_server.h), "host:port"; empty: none.
  std::string admin_listen;

  // File to write the ports in use to, once the server serves: "grpc_port=N", "metrics_port=N" and "admin_port=N".
  // Empty: none.
  std::string port_file;

  // IP address at which a proxy in front of many servers reaches this one, by the port of `listen`: tokens of sessions
  // then lead to this server. Empty: they lead nowhere.
  std::string advertised_ip;

  // --- who may call ---

  // TLS on the port for calls; the files are read again when they change. None: plaintext.
  CertificateFiles tls;

  // Tenants, their tokens and limits (server/access/tenant_file.h), read again when it changes. Empty: everybody may
  // call.
  std::string tokens_file;

  // Key of the seal on snapshots, the same for all servers that take over each other's sessions; at least 32 bytes.
  // Empty: snapshots are not sealed, and whoever can call can bring one that no server has made.
  std::string snapshot_key_file;

  // Of the model that is served; see SnapshotSeal.
  std::string model_fingerprint;

  // --- behaviour ---

  // Lets clients such as grpcurl ask for the API's description.
  bool reflection = true;

  // Chunks generated and thrown away before the server says that it serves, so that the first viewer does not pay for
  // first times. 0: none.
  int warm_up_chunks = 2;

  // How long a drain may take; what still runs then is cut off. Keep it below the platform's own grace period.
  absl::Duration drain_timeout = absl::Seconds(25);

  // Between two looks at whether there is memory to give back; every fifth also finds out whether the own port answers.
  absl::Duration upkeep_interval = absl::Seconds(1);

  // A ping on a connection without traffic after this long, and how long its answer may take.
  absl::Duration keepalive_time = absl::Seconds(60);
  absl::Duration keepalive_timeout = absl::Seconds(20);

  // A connection of this age is told to make way for another, and closed when its calls have had the grace. 0: any age.
  absl::Duration max_connection_age = absl::Minutes(30);
  absl::Duration max_connection_age_grace = absl::Minutes(5);

  LogFormat log_format = LogFormat::kText;
  LogLevel log_level = LogLevel::kInfo;

  // Lines about refused calls quote what the client sent, prompts too. For a developer's machine.
  bool log_prompts = false;

  // Connections at once, all together and from one IP address (0: not counted by address). Fewer when the system allows
  // the process fewer descriptors.
  int max_connections = 1000;
  int max_connections_per_peer = 0;

  // What gRPC may hold of messages that are on their way in, all connections together. Near it, clients are slowed
  // down; beyond it, calls are ended.
  int64_t transport_memory_bytes = int64_t{256} << 20;

  RpcLimits rpc_limits;
  OutboxLimits outbox_limits;
  ReplayLimits replay_limits;
  SchedulerConfig scheduler;

  // InvalidArgument naming the first field that is out of range.
  absl::Status Validate() const;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_SERVER_CONFIG_H_
