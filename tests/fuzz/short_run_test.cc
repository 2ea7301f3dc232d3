// A fuzz target without a fuzzer: its seeds, what is near them, and some bytes at random, the same in every run. The
// target ends the program when it finds something. VIDEODIFFCR_FUZZ_RUNS and VIDEODIFFCR_FUZZ_SEED in the environment:
// more inputs, and others.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace videodiffcr {
namespace {

constexpr size_t kLongestSeed = size_t{1} << 16;
constexpr size_t kLongestRandom = 64;

// Files of the folders that the build names, in the order of their names.
std::vector<std::string> Seeds() {
  std::vector<std::string> seeds;
  for (const std::string& folder :
       absl::StrSplit(VIDEODIFFCR_FUZZ_SEEDS, ',', absl::SkipEmpty()).operator std::vector<std::string>()) {
    std::vector<std::filesystem::path> paths;
    for (const auto& file :
         std::filesystem::directory_iterator(std::string(std::getenv("VIDEODIFFCR_SOURCE_DIR")) + "/" + folder)) {
      if (file.is_regular_file() && file.file_size() <= kLongestSeed) paths.push_back(file.path());
    }
    std::sort(paths.begin(), paths.end());
    for (const std::filesystem::path& path : paths) {
      std::ifstream file(path, std::ios::binary);
      seeds.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }
  }
  return seeds;
}

int FromEnvironment(const char* name, int otherwise) {
  const char* const value = std::getenv(name);
  return value == nullptr ? otherwise : std::atoi(value);
}

void Give(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
}

std::string RandomBytes(std::mt19937* random) {
  std::string bytes((*random)() % kLongestRandom, '\0');
  for (char& byte : bytes) byte = static_cast<char>((*random)() & 0xff);
  return bytes;
}

// A few bytes changed, dropped or said twice.
std::string Mutated(std::string bytes, std::mt19937* random) {
  for (unsigned changes = 1 + (*random)() % 4; changes > 0 && !bytes.empty(); --changes) {
    const size_t at = (*random)() % bytes.size();
    const size_t length = std::min<size_t>(1 + (*random)() % 8, bytes.size() - at);
    switch ((*random)() % 4) {
      case 0:
        bytes.erase(at, length);
        break;
      case 1:
        bytes.insert(at, bytes.substr(at, length));
        break;
      case 2:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << ((*random)() % 8)));
        break;
      default:
        bytes[at] = static_cast<char>((*random)() & 0xff);
    }
  }
  return bytes;
}

TEST(ShortRun, SurvivesItsSeedsAndWhatIsNearThem) {
  const std::vector<std::string> seeds = Seeds();
  for (const std::string& seed : seeds) Give(seed);
  std::mt19937 random(FromEnvironment("VIDEODIFFCR_FUZZ_SEED", 1));
  const int runs = FromEnvironment("VIDEODIFFCR_FUZZ_RUNS", VIDEODIFFCR_SHORT_RUNS);
  for (int run = 0; run < runs; ++run) {
    const bool mutate = !seeds.empty() && run % 4 != 0;
    Give(mutate ? Mutated(seeds[random() % seeds.size()], &random) : RandomBytes(&random));
  }
}

}  // namespace
}  // namespace videodiffcr
