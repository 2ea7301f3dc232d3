#include "gateway/http/http_server.h"

#include <sys/socket.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <deque>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gateway/http/http_connection.h"
#include "server/logging/log_line.h"
#include "server/sockets/listening_socket.h"

namespace videodiffcr {
namespace {

namespace asio = boost::asio;
using Error = boost::system::error_code;

constexpr std::chrono::milliseconds kStarvedPause{100};  // when the system has no descriptor left

// Beyond --max-connections so many are told so at once; more are closed without a word.
constexpr int kRefusedAtOnce = 64;

class BeastServer final : public HttpServer {
 public:
  BeastServer(const HttpServerOptions& options, HttpHandler handler, HttpObserver observer)
      : acceptor_(shared_.context), pause_(shared_.context), second_(shared_.context) {
    shared_.options = options;
    shared_.handler = std::move(handler);
    shared_.observer = std::move(observer);
  }

  ~BeastServer() override { Stop(); }

  absl::Status Start() {
    absl::StatusOr<ListeningSocket> socket = Listen(shared_.options.listen);
    if (!socket.ok()) {
      return absl::UnavailableError(absl::StrCat("cannot serve HTTP on ", shared_.options.listen, " (",
                                                 socket.status().message(), "); choose another address with --listen"));
    }
    port_ = socket->port;
    const auto protocol = socket->address.ss_family == AF_INET6 ? asio::ip::tcp::v6() : asio::ip::tcp::v4();
    Error error;
    acceptor_.assign(protocol, socket->descriptor.get(), error);
    if (error) return absl::UnavailableError(error.message());
    socket->descriptor.Release();
    Accept();
    Tick();
    try {
      thread_ = std::thread([this] { Run(); });
    } catch (const std::system_error& failure) {
      return absl::UnavailableError(failure.what());
    }
    return absl::OkStatus();
  }

  void Stop() override {
    shared_.context.stop();
    if (thread_.joinable()) thread_.join();
  }

  int port() const override { return port_; }

 private:
  void Run() {
    while (!shared_.context.stopped()) {
      try {
        shared_.context.run();
      } catch (const std::exception& failure) {  // memory that one connection could not have
        LogLine(absl::StrCat("a connection was dropped: ", failure.what()));
      }
    }
  }

  void Accept() {
    acceptor_.async_accept([this](Error error, asio::ip::tcp::socket socket) {
      if (!acceptor_.is_open()) return;
      if (error) return AcceptLater();
      Serve(std::move(socket));
      Accept();
    });
  }

  void AcceptLater() {
    CloseOldestSilent();  // its descriptor may be what is missing
    pause_.expires_after(kStarvedPause);
    pause_.async_wait([this](Error) { Accept(); });
  }

  void Serve(asio::ip::tcp::socket socket) {
    const bool full = open_ >= shared_.options.max_connections && !CloseOldestSilent();
    if (full && open_ >= shared_.options.max_connections + kRefusedAtOnce) return;
    Count(1);
    const auto connection = std::make_shared<HttpConnection>(&shared_, std::move(socket), [this] { Count(-1); });
    if (full) return connection->Refuse();
    Remember(connection);
    connection->Start();
  }

  void Remember(const std::shared_ptr<HttpConnection>& connection) {
    connections_.push_back(connection);
    if (connections_.size() < 2 * static_cast<size_t>(shared_.options.max_connections)) return;
    std::erase_if(connections_, [](const auto& each) { return each.expired(); });
  }

  // However many peers connect and say nothing, whoever has something to say gets in. False when there is none.
  bool CloseOldestSilent() {
    for (auto each = connections_.begin(); each != connections_.end(); ++each) {
      const std::shared_ptr<HttpConnection> connection = each->lock();
      if (connection == nullptr || !connection->silent()) continue;
      connections_.erase(each);
      connection->Close();
      return true;
    }
    return false;
  }

  void Count(int change) {
    open_ += change;
    shared_.observer.on_connections(open_);
  }

  void Tick() {
    second_.expires_after(std::chrono::seconds(1));
    second_.async_wait([this](Error error) {
      if (error) return;
      shared_.observer.on_second();
      Tick();
    });
  }

  int port_ = 0;
  int open_ = 0;                                           // before shared_: its connections count down when they go
  std::deque<std::weak_ptr<HttpConnection>> connections_;  // the oldest first; some of them may have ended
  HttpShared shared_;
  asio::ip::tcp::acceptor acceptor_;
  asio::steady_timer pause_;
  asio::steady_timer second_;
  std::thread thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const HttpServerOptions& options, HttpHandler handler,
                                                              HttpObserver observer) {
  auto server = std::make_unique<BeastServer>(options, std::move(handler), std::move(observer));
  if (absl::Status status = server->Start(); !status.ok()) return status;
  return server;
}

}  // namespace videodiffcr
