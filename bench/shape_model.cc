#include "bench/shape_model.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "convert/expected_tensors.h"
#include "convert/model_presets.h"
#include "convert/number_conversion.h"
#include "convert/safetensors_stream.h"
#include "model/config/retention_table.h"
#include "system/whole_file.h"

namespace videodiffcr {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kRouterWidth = 64;
constexpr int64_t kPieceBytes = int64_t{64} << 20;  // made by all threads together, then written
constexpr int64_t kLeastPerThread = 1 << 16;        // elements worth a thread; a multiple of four

// Values of a tensor: all `mean`, or spread evenly around it with standard deviation `deviation`.
struct Filling {
  float mean = 0;
  float deviation = 0;
};

double FanIn(const ExpectedTensor& tensor) {
  double fan_in = 1;
  for (size_t i = 1; i < tensor.shape.size(); ++i) fan_in *= static_cast<double>(tensor.shape[i]);
  return fan_in;
}

// Weights of 1 / sqrt(inputs) pass a signal on at its own strength. What scales and gates a residual stream is small,
// as in a trained model, and the picture is grey with a little noise, so that encoding it costs what calm video does.
Filling FillingOf(const ExpectedTensor& tensor) {
  const std::string& name = tensor.name;
  if (name == "decoder.22.bias") return {.mean = 0.5f};
  if (absl::EndsWith(name, ".bias")) return {};
  if (tensor.shape.size() == 1) return {.mean = 1};  // gains of norms
  if (absl::StrContains(name, "modulation")) return {.deviation = 0.05f};
  if (absl::StartsWith(name, "token_embedding")) return {.deviation = 1};
  const auto deviation = static_cast<float>(1 / std::sqrt(FanIn(tensor)));
  if (absl::StartsWith(name, "time_projection") || name == "decoder.22.weight") return {.deviation = 0.05f * deviation};
  return {.deviation = deviation};
}

// SplitMix64's finalizer: any value can be had without those before it.
uint64_t Mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// Elements [first, first + count) of a tensor in its stored type; `first` is a multiple of four.
void Fill(const Filling& filling, uint64_t key, DType type, int64_t first, int64_t count, uint8_t* out) {
  const float step = filling.deviation * std::sqrt(3.0f) / 32768.0f;  // of a uniform spread
  for (int64_t i = 0; i < count; i += 4) {
    uint64_t bits = Mix(key + static_cast<uint64_t>(first + i) / 4);
    for (int64_t j = i; j < std::min(i + 4, count); ++j, bits >>= 16) {
      const float value = filling.mean + step * (static_cast<float>(bits & 0xffff) - 32767.5f);
      if (type == DType::kBF16) {
        const uint16_t narrow = FloatToBFloat16(value);
        std::memcpy(out + 2 * j, &narrow, 2);
      } else {
        std::memcpy(out + 4 * j, &value, 4);
      }
    }
  }
}

// `count` elements from `first` on, each thread a run of its own.
void FillWithThreads(const Filling& filling, uint64_t key, DType type, int64_t first, int64_t count, uint8_t* out) {
  const int64_t threads = std::max<int64_t>(1, std::thread::hardware_concurrency());
  const int64_t share = std::max(kLeastPerThread, (count / threads + 4) / 4 * 4);
  std::vector<std::thread> workers;
  for (int64_t begin = share; begin < count; begin += share) {
    workers.emplace_back(Fill, filling, key, type, first + begin, std::min(share, count - begin),
                         out + begin * DTypeBytes(type));
  }
  Fill(filling, key, type, first, std::min(share, count), out);
  for (std::thread& worker : workers) worker.join();
}

absl::Status WriteNetwork(const std::string& path, const std::vector<ExpectedTensor>& tensors, uint64_t seed) {
  std::vector<StreamedTensor> stored;
  for (const ExpectedTensor& tensor : tensors) {
    stored.push_back({tensor.name, tensor.role == TensorRole::kPrecise ? DType::kF32 : DType::kBF16, tensor.shape});
  }
  absl::StatusOr<SafetensorsStream> file =
      SafetensorsStream::Create(path, stored, {{"description", "random weights of a shape benchmark"}});
  if (!file.ok()) return file.status();
  std::vector<uint8_t> piece;
  for (size_t t = 0; t < tensors.size(); ++t) {
    const Filling filling = FillingOf(tensors[t]);
    const uint64_t key = Mix(Mix(seed) + t);
    const int64_t width = DTypeBytes(stored[t].dtype), elements = StreamedBytes(stored[t]) / width;
    for (int64_t first = 0; first < elements; first += kPieceBytes / width) {
      const int64_t count = std::min(kPieceBytes / width, elements - first);
      piece.resize(static_cast<size_t>(count * width));
      FillWithThreads(filling, key, stored[t].dtype, first, count, piece.data());
      const absl::Status appended = file->Append(piece);
      if (!appended.ok()) return appended;
    }
  }
  return file->Finish();
}

absl::Status FileError(const std::string& path, const char* what, const std::error_code& error) {
  return absl::UnavailableError(absl::StrCat(path, ": ", what, ": ", error.message()));
}

// The folder, new or empty.
absl::Status MakeFolder(const std::string& output) {
  std::error_code error;
  fs::create_directories(output, error);
  if (error) return FileError(output, "cannot be made", error);
  if (!fs::is_empty(output, error) || error) {
    return absl::FailedPreconditionError(absl::StrCat(output, ": is not empty; name a new folder"));
  }
  return absl::OkStatus();
}

absl::Status WriteConfig(const ModelConfig& config, const std::string& output) {
  return WriteWholeFile(absl::StrCat(output, "/config.json"), FormatModelConfig(config) + "\n");
}

}  // namespace

absl::StatusOr<ModelConfig> MakeShapeConfig(const std::string& preset, const ModelConfig& tokenizer_config) {
  absl::StatusOr<ModelConfig> config = FindModelPreset(preset);
  if (!config.ok()) return config.status();
  config->name = absl::StrCat(preset, "-shape");
  config->description = absl::StrCat("Shape benchmark: the sizes of ", preset, " with random weights; shows noise");
  config->tokenizer = tokenizer_config.tokenizer;
  config->example_prompts = tokenizer_config.example_prompts;
  TextEncoderConfig& text = config->text_encoder;
  text.vocab_size = tokenizer_config.text_encoder.vocab_size;
  text.dim = config->transformer.text_dim;
  text.num_layers = text.num_heads = 1;
  text.dim_attn = 64;
  text.dim_ffn = 256;
  RetentionConfig& retention = config->retention;
  retention.file = "routers.safetensors";
  retention.router_dim = kRouterWidth;
  retention.step_delta_tenths.assign(config->sampling.denoise_steps.size(), 0);
  SetBudgets({9, 8, 7}, &*config);
  return config;
}

void SetBudgets(const std::vector<int>& budgets, ModelConfig* config) {
  RetentionConfig& retention = config->retention;
  retention.tables.clear();
  for (const int tenths : budgets) {
    const std::vector<int> layers(static_cast<size_t>(config->transformer.num_layers), tenths);
    retention.tables.push_back(MakeRetentionTable(tenths, layers, retention.step_delta_tenths));
  }
}

void SetDenoiseSteps(const std::vector<int>& steps, ModelConfig* config) {
  config->sampling.denoise_steps.assign(steps.begin(), steps.end());
  RetentionConfig& retention = config->retention;
  retention.step_delta_tenths.assign(steps.size(), 0);
  for (RetentionTable& table : retention.tables) {
    std::vector<int> layers;
    for (const std::vector<int>& row : table.tenths) layers.push_back(row.back());
    table = MakeRetentionTable(table.nominal, layers, retention.step_delta_tenths, retention.floor_tenths);
  }
}

absl::Status WriteShapeModel(const ModelConfig& config, uint64_t seed, const std::string& tokenizer_folder,
                             const std::string& output) {
  if (absl::Status status = config.Validate(); !status.ok()) return status;
  if (absl::Status status = MakeFolder(output); !status.ok()) return status;
  const auto path = [&output](const std::string& file) { return absl::StrCat(output, "/", file); };
  const std::string tokenizer = absl::StrCat(tokenizer_folder, "/", config.tokenizer.file);
  if (absl::Status status = CopyWholeFile(tokenizer, path(config.tokenizer.file)); !status.ok()) return status;
  const std::pair<std::string, std::vector<ExpectedTensor>> networks[] = {
      {config.transformer_file, TransformerTensors(config.transformer)},
      {config.retention.file, RouterTensors(config)},
      {config.text_encoder_file, TextEncoderTensors(config.text_encoder)},
      {config.decoder.file, TaehvTensors(config.decoder, TaehvWidths())}};
  uint64_t network_seed = seed;
  for (const auto& [file, tensors] : networks) {
    const absl::Status written = WriteNetwork(path(file), tensors, Mix(network_seed++));
    if (!written.ok()) return written;
  }
  return WriteConfig(config, output);
}

absl::Status LinkShapeModel(const ModelConfig& config, const std::string& folder, const std::string& output) {
  if (absl::Status status = config.Validate(); !status.ok()) return status;
  if (absl::Status status = MakeFolder(output); !status.ok()) return status;
  for (const std::string& file : {config.transformer_file, config.retention.file, config.text_encoder_file,
                                  config.decoder.file, config.tokenizer.file}) {
    const fs::path from = fs::path(folder) / file, to = fs::path(output) / file;
    std::error_code error;
    fs::create_hard_link(from, to, error);
    if (error) fs::create_symlink(fs::absolute(from), to, error);
    if (error) return FileError(to.string(), "cannot be linked", error);
  }
  return WriteConfig(config, output);
}

}  // namespace videodiffcr
