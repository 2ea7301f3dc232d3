#include "system/kept_memory.h"

#include <gtest/gtest.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <algorithm>
#include <barrier>
#include <cstdint>
#include <memory>
#include <string>
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

int HeapParts() {
  char* text = nullptr;
  size_t bytes = 0;
  FILE* file = open_memstream(&text, &bytes);
  malloc_info(0, file);
  fclose(file);
  const std::string info(text, bytes);
  free(text);
  int parts = 0;
  for (size_t at = info.find("<heap "); at != std::string::npos; at = info.find("<heap ", at + 1)) ++parts;
  return parts;
}

// Before the other, whose thread has a part of its own.
TEST(KeptMemoryTest, ManyThreadsShareAsManyPartsOfTheHeapAsThereAreProcessors) {
  BoundHeapParts();
  const int most = std::max(2, static_cast<int>(std::thread::hardware_concurrency()));
  std::barrier all_have_some(2 * most);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 2 * most; ++thread) {
    threads.emplace_back([&] {
      const auto some = std::make_unique<std::string>(100, 'x');
      all_have_some.arrive_and_wait();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(HeapParts(), most);
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
