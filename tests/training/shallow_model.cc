#include "tests/training/shallow_model.h"

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "model/config/model_config.h"
#include "model/weights/safetensors_reader.h"
#include "model/weights/safetensors_writer.h"

namespace videodiffcr::training {
namespace {

// "blocks.3.ffn.0.bias" is of block 3; 0 for what is of none.
int64_t BlockOf(const std::string& tensor) {
  const std::vector<std::string> parts = absl::StrSplit(tensor, '.');
  int64_t block = 0;
  return parts[0] == "blocks" && parts.size() > 1 && absl::SimpleAtoi(parts[1], &block) ? block : 0;
}

absl::Status CopyFirstBlocks(const std::string& from, int64_t blocks, const std::string& to) {
  const absl::StatusOr<SafetensorsReader> file = SafetensorsReader::Open(from);
  if (!file.ok()) return file.status();
  std::map<std::string, TensorEntry> kept;
  for (const auto& [name, entry] : file->tensors()) {
    if (BlockOf(name) < blocks) kept.emplace(name, entry);
  }
  return WriteSafetensors(to, kept, file->metadata());
}

}  // namespace

absl::Status WriteShallowModel(const std::string& from, int64_t blocks, const std::string& to) {
  absl::StatusOr<ModelConfig> config = LoadModelConfig(from);
  if (!config.ok()) return config.status();
  std::filesystem::create_directories(to);
  for (const auto& file : std::filesystem::directory_iterator(from)) {
    std::filesystem::copy_file(file.path(), to + "/" + file.path().filename().string());
  }
  for (const std::string& file : {config->transformer_file, config->retention.file}) {
    std::filesystem::remove(to + "/" + file);
    const absl::Status copied = CopyFirstBlocks(from + "/" + file, blocks, to + "/" + file);
    if (!copied.ok()) return copied;
  }
  config->transformer.num_layers = blocks;
  for (RetentionTable& table : config->retention.tables) table.tenths.resize(static_cast<size_t>(blocks));
  std::ofstream(to + "/config.json") << FormatModelConfig(*config);
  return LoadModelConfig(to).status();
}

}  // namespace videodiffcr::training
