// Several processes of a run, here threads that share nothing but their sockets.
#ifndef VIDEODIFFCR_TESTS_TRAINING_RUN_RANKS_H_
#define VIDEODIFFCR_TESTS_TRAINING_RUN_RANKS_H_

#include <ATen/Parallel.h>

#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

#include "training/parallel/host_exchange.h"

namespace videodiffcr::training {

inline void RunRanksAsThreads(int64_t world, const std::function<void(HostExchange&)>& work) {
  std::vector<std::thread> threads;
  const std::vector<RankPlace> places = ConnectRanks(world).value();
  for (const RankPlace& place : places) {
    threads.emplace_back([&work, place] {
      at::set_num_threads(1);  // of this thread
      HostExchange exchange(place);
      work(exchange);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TESTS_TRAINING_RUN_RANKS_H_
