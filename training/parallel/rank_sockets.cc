#include "training/parallel/rank_sockets.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace videodiffcr::training {
namespace {

// A rank may write a large checkpoint while the others wait for it.
constexpr int64_t kLongestSilenceSeconds = 600;

absl::Status Failure(int64_t rank, const char* doing) {
  if (errno == EAGAIN || errno == EWOULDBLOCK) {
    return absl::DeadlineExceededError(
        absl::StrCat("rank ", rank, " was silent for ", kLongestSilenceSeconds, " s while ", doing));
  }
  return absl::UnavailableError(absl::StrCat("rank ", rank, " is gone (", std::strerror(errno), " while ", doing, ")"));
}

absl::Status SendAll(int socket, int64_t rank, const char* data, size_t bytes) {
  while (bytes > 0) {
    const ssize_t sent = send(socket, data, bytes, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return Failure(rank, "sending to it");
    data += sent;
    bytes -= static_cast<size_t>(sent);
  }
  return absl::OkStatus();
}

absl::Status ReceiveAll(int socket, int64_t rank, char* data, size_t bytes) {
  while (bytes > 0) {
    const ssize_t received = recv(socket, data, bytes, 0);
    if (received < 0 && errno == EINTR) continue;
    if (received < 0) return Failure(rank, "waiting for it");
    if (received == 0) return absl::UnavailableError(absl::StrCat("rank ", rank, " is gone"));
    data += received;
    bytes -= static_cast<size_t>(received);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<RankPlace>> ConnectRanks(int64_t world) {
  std::vector<RankPlace> places(static_cast<size_t>(world));
  for (int64_t rank = 0; rank < world; ++rank) {
    places[static_cast<size_t>(rank)].rank = rank;
    places[static_cast<size_t>(rank)].world = world;
    if (rank == 0) continue;
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
      const std::string why = std::strerror(errno);
      for (const RankPlace& place : places) {
        for (const int end : place.sockets) close(end);
      }
      return absl::ResourceExhaustedError(absl::StrCat("no socket for rank ", rank, ": ", why));
    }
    places[0].sockets.push_back(ends[0]);
    places[static_cast<size_t>(rank)].sockets.push_back(ends[1]);
  }
  return places;
}

RankSockets::RankSockets(RankPlace place) : place_(std::move(place)) {
  const timeval silence = {kLongestSilenceSeconds, 0};
  for (const int socket : place_.sockets) {
    setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof(silence));
    setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &silence, sizeof(silence));
  }
}

RankSockets::~RankSockets() {
  for (const int socket : place_.sockets) close(socket);
}

absl::Status RankSockets::Send(int64_t rank, const void* data, size_t bytes) {
  const uint64_t header = bytes;
  if (absl::Status sent =
          SendAll(SocketOf(rank), rank, reinterpret_cast<const char*>(&header), sizeof(header));  // the same machine
      !sent.ok()) {
    return sent;
  }
  return SendAll(SocketOf(rank), rank, static_cast<const char*>(data), bytes);
}

absl::Status RankSockets::Receive(int64_t rank, void* data, size_t bytes) {
  uint64_t header = 0;
  if (absl::Status received = ReceiveAll(SocketOf(rank), rank, reinterpret_cast<char*>(&header), sizeof(header));
      !received.ok()) {
    return received;
  }
  if (header != bytes) {
    return absl::InternalError(absl::StrCat("rank ", rank, " sends ", header, " bytes where rank ", place_.rank,
                                            " expects ", bytes, ": they are not at the same place of the same run"));
  }
  return ReceiveAll(SocketOf(rank), rank, static_cast<char*>(data), bytes);
}

absl::Status RankSockets::Broadcast(void* data, size_t bytes) {
  if (rank() != 0) return Receive(0, data, bytes);
  for (int64_t other = 1; other < world(); ++other) {
    if (absl::Status sent = Send(other, data, bytes); !sent.ok()) return sent;
  }
  return absl::OkStatus();
}

}  // namespace videodiffcr::training
