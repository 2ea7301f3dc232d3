// The sockets between the processes of a run: a star with rank 0 in its middle. They have no address and no port, and
// whoever holds an end sees at once when the other one's process is gone.
#ifndef VIDEODIFFCR_TRAINING_PARALLEL_RANK_SOCKETS_H_
#define VIDEODIFFCR_TRAINING_PARALLEL_RANK_SOCKETS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace videodiffcr::training {

// One process among those of a run, with its ends of the star: rank 0 holds one for each of ranks 1, 2, ..., the others
// one for rank 0. The ends belong to whoever the place is handed to.
struct RankPlace {
  int64_t rank = 0;
  int64_t world = 1;
  std::vector<int> sockets;
};

// The places of `world` ranks, connected; all ends are closed in programs that this process starts, unless it is told
// otherwise.
absl::StatusOr<std::vector<RankPlace>> ConnectRanks(int64_t world);

// The ends of one rank, closed at the end of its life. One thread calls.
class RankSockets {
 public:
  explicit RankSockets(RankPlace place);
  ~RankSockets();
  RankSockets(const RankSockets&) = delete;
  RankSockets& operator=(const RankSockets&) = delete;

  int64_t rank() const { return place_.rank; }
  int64_t world() const { return place_.world; }

  // To and from `rank`: one of 1, 2, ... at rank 0, 0 at the others. Unavailable when its process is gone,
  // DeadlineExceeded when it was silent for ten minutes, Internal when it is about to send another number of bytes.
  absl::Status Send(int64_t rank, const void* data, size_t bytes);
  absl::Status Receive(int64_t rank, void* data, size_t bytes);

  // `data` becomes rank 0's everywhere.
  absl::Status Broadcast(void* data, size_t bytes);

 private:
  int SocketOf(int64_t rank) const { return place_.sockets[static_cast<size_t>(place_.rank == 0 ? rank - 1 : 0)]; }

  const RankPlace place_;
};

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_PARALLEL_RANK_SOCKETS_H_
