// Exchange between GPUs: gradients go through NCCL, one flat row for all of them, on the stream that computed them, so
// nobody waits for the host; numbers that the host decides by go through the sockets.
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
