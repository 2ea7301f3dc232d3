// A port that answers each connection once, however many others say nothing.
#ifndef VIDEODIFFCR_SERVER_METRICS_HTTP_RESPONDER_H_
#define VIDEODIFFCR_SERVER_METRICS_HTTP_RESPONDER_H_

#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/sockets/descriptor.h"
#include "server/sockets/listening_socket.h"
#include "server/sockets/poll_thread.h"

namespace videodiffcr {

// One thread of its own, which never waits for one peer: it asks the kernel which of them have something. At most
// `max_connections` are open; one more, or a system without descriptors, ends the oldest. A peer that is not done with
// its request, or with taking its answer, in `patience` is cut off.
class HttpResponder {
 public:
  struct Options {
    int max_connections = 256;
    std::chrono::milliseconds patience{5000};
  };
  // What to answer to the bytes so far; nothing: wait for more. Called by the thread.
  using Answer = std::function<std::optional<std::string>(absl::string_view received)>;

  // Unavailable when the system is out of descriptors or threads.
  static absl::StatusOr<std::unique_ptr<HttpResponder>> Create(ListeningSocket socket, const Options& options,
                                                               Answer answer);

  int port() const { return socket_.port; }

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Connection {
    Descriptor socket;
    Time deadline;
    std::string received;
    std::string to_send;  // empty: the request is not whole
    size_t sent = 0;
    bool answered() const { return !to_send.empty(); }
    bool draining() const { return answered() && sent == to_send.size(); }
  };

  HttpResponder(ListeningSocket socket, const Options& options, Answer answer);
  void Run();
  int MillisecondsToNextDeadline() const;
  void AcceptSome();
  // False when the connection is over.
  bool Advance(Connection* connection) const;
  bool Receive(Connection* connection) const;
  bool Send(Connection* connection) const;

  // Constant once the thread runs.
  const ListeningSocket socket_;
  const Options options_;
  const Answer answer_;

  std::list<Connection> connections_;  // the thread's; the oldest first
  PollThread thread_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_METRICS_HTTP_RESPONDER_H_
