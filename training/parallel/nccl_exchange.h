// Exchange between GPUs: gradients and weights go through NCCL on a stream of its own, which waits for what it is given
// and for which the caller's stream waits, so nobody waits for the host; numbers that the host decides by and
// checkpoints go through the sockets.
//
// A reduce-scatter is an exchange of parts, each rank with each, and a sum of what came, in the order of the ranks: the
// bytes that travel are the same, and it needs no more of NCCL than LibTorch's own binding has.
#ifndef VIDEODIFFCR_TRAINING_PARALLEL_NCCL_EXCHANGE_H_
#define VIDEODIFFCR_TRAINING_PARALLEL_NCCL_EXCHANGE_H_

#include <c10/core/Device.h>

#include <memory>

#include "training/parallel/gradient_exchange.h"
#include "training/parallel/rank_sockets.h"

namespace videodiffcr::training {

// `device`: this rank's own. Every rank calls; waits until all have. Unimplemented in a build without CUDA; throws what
// LibTorch throws when NCCL cannot start.
absl::StatusOr<std::unique_ptr<GradientExchange>> MakeNcclExchange(RankPlace place, at::Device device);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_PARALLEL_NCCL_EXCHANGE_H_
