#include <unistd.h>

#include "training/parallel/nccl_exchange.h"

namespace videodiffcr::training {

absl::StatusOr<std::unique_ptr<GradientExchange>> MakeNcclExchange(RankPlace place, at::Device) {
  for (const int socket : place.sockets) close(socket);
  return absl::UnimplementedError("this build has no CUDA, so it trains on no GPU");
}

}  // namespace videodiffcr::training
