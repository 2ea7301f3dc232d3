#include "server/rpc/connection_acceptor.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/logging/log_line.h"
#include "system/guarded.h"

namespace videodiffcr {
namespace {

constexpr int kSweepMilliseconds = 1000;        // how old the number of connections in the metrics may be
constexpr int kLookAgainMilliseconds = 100;     // when a connection sends more than its calls explain
constexpr int kStarvedMilliseconds = 100;       // between two tries when the system has no descriptor left
constexpr int kReceiveBufferBytes = 256 << 10;  // what the kernel takes ahead, and gRPC reads in one go
constexpr int kAcceptsPerTurn = 64;             // before the thread looks whether it shall leave

// The system is out of something; the connection stays in the port's queue.
bool IsStarvation(int error) { return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM; }

}  // namespace

ConnectionAcceptor::ConnectionAcceptor(ListeningSocket socket, const Options& options, GrpcSide grpc_side,
                                       std::shared_ptr<ConnectionUses> uses, RpcMetrics* metrics)
    : socket_(std::move(socket)),
      options_(options),
      grpc_side_(std::move(grpc_side)),
      uses_(std::move(uses)),
      metrics_(metrics),
      table_(options.connections, uses_.get()) {
  // Connections have it from the port: one that is made smaller later drops what its peer was told to send.
  setsockopt(socket_.descriptor.get(), SOL_SOCKET, SO_RCVBUF, &kReceiveBufferBytes, sizeof(kReceiveBufferBytes));
}

absl::StatusOr<std::unique_ptr<ConnectionAcceptor>> ConnectionAcceptor::Create(ListeningSocket socket,
                                                                               const Options& options,
                                                                               GrpcSide grpc_side,
                                                                               std::shared_ptr<ConnectionUses> uses,
                                                                               RpcMetrics* metrics) {
  auto acceptor = absl::WrapUnique(
      new ConnectionAcceptor(std::move(socket), options, std::move(grpc_side), std::move(uses), metrics));
  absl::Status started = acceptor->look_thread_.Start([raw = acceptor.get()] { raw->LookAfterConnections(); });
  if (started.ok()) started = acceptor->thread_.Start([raw = acceptor.get()] { raw->Run(); });
  if (!started.ok()) return started;
  return acceptor;
}

void ConnectionAcceptor::Run() {
  pollfd watched[] = {{thread_.leave(), POLLIN, 0}, {socket_.descriptor.get(), POLLIN, 0}};
  while (true) {
    // Starved, only the stop is of interest: the port would be readable all the time.
    poll(watched, starved_ ? 1 : 2, starved_ ? kStarvedMilliseconds : kSweepMilliseconds);
    if (watched[0].revents != 0) return;
    const absl::StatusOr<bool> taken =
        Guarded("taking connections", [this]() -> absl::StatusOr<bool> { return AcceptSome(); });
    const bool starved = !taken.value_or(false);
    if (starved != starved_) {
      LogLine(starved ? "no connection can be taken: the system is out of descriptors or memory"
                      : "connections are taken again",
              starved ? LogLevel::kError : LogLevel::kInfo);
    }
    starved_ = starved;
    MutexLock lock(&mutex_);
    const int open = table_.Sweep();
    if (starved) table_.MakeRoom();  // its descriptor may be what is missing
    if (metrics_ != nullptr) metrics_->connections->Set(open);
  }
}

void ConnectionAcceptor::LookAfterConnections() {
  pollfd leave = {look_thread_.leave(), POLLIN, 0};
  ConnectionTable::Findings findings;
  for (auto looked = std::chrono::steady_clock::now();;) {
    poll(&leave, 1, findings.look_again ? kLookAgainMilliseconds : kSweepMilliseconds);
    if (leave.revents != 0) return;
    const auto now = std::chrono::steady_clock::now();
    const absl::Duration elapsed = absl::FromChrono(now - std::exchange(looked, now));
    const absl::StatusOr<ConnectionTable::Findings> found =
        Guarded("looking after connections", [&]() -> absl::StatusOr<ConnectionTable::Findings> {
          MutexLock lock(&mutex_);
          return table_.ShutWhatIsUnexplained(elapsed);
        });
    findings = found.value_or(ConnectionTable::Findings());
    if (findings.shut == 0) continue;
    LogLine(absl::StrCat("closed ", findings.shut,
                         " connection(s) that sent far more than their calls explain, one from ", findings.peer),
            LogLevel::kWarning);
  }
}

// False when the system is out of something.
bool ConnectionAcceptor::AcceptSome() {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    Accepted accepted = Accept(socket_);
    if (accepted.descriptor.valid()) {
      HandOver(std::move(accepted));
    } else if (accepted.error == EAGAIN || accepted.error == EWOULDBLOCK) {
      return true;
    } else if (IsStarvation(accepted.error)) {
      return false;
    }  // else it was that connection's own trouble
  }
  return true;
}

ConnectionTable::Verdict ConnectionAcceptor::Decide(const std::string& peer) {
  MutexLock lock(&mutex_);
  return table_.Decide(peer);
}

void ConnectionAcceptor::HandOver(Accepted accepted) {
  const ConnectionTable::Verdict verdict = Decide(accepted.peer);
  if (verdict != ConnectionTable::Verdict::kAdmit) {
    if (metrics_ != nullptr) {
      metrics_->CountRefusedConnection(verdict == ConnectionTable::Verdict::kPeerHasTooMany);
    }
    return;  // closes it
  }
  const int socket = accepted.descriptor.get();
  const int on = 1;
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  const auto milliseconds = static_cast<unsigned>(absl::ToInt64Milliseconds(options_.unacknowledged_timeout));
  setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &milliseconds, sizeof(milliseconds));
  {
    MutexLock lock(&mutex_);
    table_.Add(socket, accepted.peer, accepted.name);
  }
  grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters parameters;
  parameters.listener_fd = socket_.descriptor.get();
  parameters.fd = accepted.descriptor.Release();
  // What it throws is not to be caught: it leaves gRPC in a state that nobody knows.
  [&]() noexcept { grpc_side_->HandleNewConnection(&parameters); }();
}

}  // namespace videodiffcr
