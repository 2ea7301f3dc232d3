#include "system/kept_memory.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstdint>
#include <thread>
#include <vector>

namespace videodiffcr {
namespace {

constexpr size_t kChunkBytes = size_t{9} * 832 * 480 * 3 / 2;
constexpr int64_t kPages = kChunkBytes / 4096;

// Page faults of the calling thread while it takes, fills and gives back what a chunk of large pictures takes.
int64_t FaultsOfAChunk() {
  rusage before, after;
  getrusage(RUSAGE_THREAD, &before);
  { const std::vector<uint8_t> pixels(kChunkBytes, 7); }
  getrusage(RUSAGE_THREAD, &after);
  return after.ru_minflt - before.ru_minflt;
}

TEST(KeptMemoryTest, WhatOneChunkHadTheNextHasWithoutAskingTheKernel) {
  KeepFreedMemory();
  std::thread([] {
    EXPECT_GE(FaultsOfAChunk(), kPages / 2) << "the first one has to fetch it";
    EXPECT_LT(FaultsOfAChunk(), kPages / 20);
    EXPECT_LT(FaultsOfAChunk(), kPages / 20);
  }).join();
}

}  // namespace
}  // namespace videodiffcr
