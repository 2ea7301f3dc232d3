// Any bytes as the index of a checkpoint in shards: refused, or it names files beside it and nothing else.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "convert/weight_paths.h"
#include "tests/system/temporary_folder.h"

namespace videodiffcr {
namespace {

void ReadIndexOf(const std::string& text) {
  static const TemporaryFolder* const folder = [] {
    static const TemporaryFolder with_shards;
    for (const char* shard : {"a", "b.safetensors", "model-00001-of-00002.safetensors"}) with_shards.Write(shard, "x");
    return &with_shards;
  }();
  for (const std::string& path : {folder->Write("model.safetensors.index.json", text), folder->path()}) {
    const absl::StatusOr<std::vector<std::string>> files = FindWeightFiles({path}, "transformer");
    if (!files.ok()) continue;
    for (const std::string& file : *files) {
      if (std::filesystem::path(file).parent_path() != folder->path()) std::abort();
      if (!std::filesystem::is_regular_file(file)) std::abort();
    }
  }
}

}  // namespace
}  // namespace videodiffcr

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  videodiffcr::ReadIndexOf(std::string(reinterpret_cast<const char*>(data), size));
  return 0;
}
