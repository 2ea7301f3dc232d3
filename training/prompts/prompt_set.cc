#include "training/prompts/prompt_set.h"

#include <c10/core/GradMode.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "checksum/crc32c.h"
#include "model/gpu/text/packed_text_encoder.h"
#include "model/plain/text/prompt_check.h"
#include "model/plain/text/text_encoder.h"
#include "model/weights/safetensors_reader.h"
#include "system/guarded.h"
#include "system/mapped_file.h"
#include "training/model/training_model.h"
#include "training/model/weights_fingerprint.h"
#include "training/prompts/prompt_file.h"

namespace videodiffcr::training {
namespace {

// All that text rows depend on beside the prompt: the tokenizer's file, and of the encoder's every tensor both ends,
// which tells one training from another without reading eleven gigabytes.
absl::StatusOr<std::string> FingerprintOf(const PromptSetOptions& options, const ModelConfig& config) {
  std::string all =
      absl::StrCat(options.device, " ", static_cast<int>(config.tokenizer.cleaning), " ", config.transformer.text_len);
  const absl::StatusOr<MappedFile> pieces = MappedFile::Open(options.model_folder + "/" + config.tokenizer.file);
  if (!pieces.ok()) return pieces.status();
  const absl::Span<const uint8_t> bytes = pieces->bytes();
  absl::StrAppend(&all, " ", Crc32c({reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
  const auto encoder = SafetensorsReader::Open(options.model_folder + "/" + config.text_encoder_file);
  if (!encoder.ok()) return encoder.status();
  absl::StrAppend(&all, FingerprintText(*encoder));
  if (absl::Status whole = encoder->CheckWhole(); !whole.ok()) return whole;
  return HashName(all);
}

absl::StatusOr<PackedTextEncoder> LoadEncoder(const std::string& folder, const ModelConfig& config, at::Device device) {
  const auto file = SafetensorsReader::Open(folder + "/" + config.text_encoder_file);
  if (!file.ok()) return file.status();
  WeightOptions options;
  options.device = device;
  options.dtype = device.is_cpu() ? at::kFloat : at::kBFloat16;
  absl::StatusOr<TextEncoderWeights> weights = LoadTextEncoderWeights(*file, config.text_encoder, options);
  if (!weights.ok()) return weights.status();
  return PackedTextEncoder(config.text_encoder, *std::move(weights), config.transformer.text_len);
}

absl::Status CheckReadable(const Tokenizer& tokenizer, std::string_view prompt) {
  const absl::StatusOr<PromptCheck> check = CheckPrompt(tokenizer, prompt);
  if (check.ok() && check->blank) {
    return absl::InvalidArgumentError("nothing to see is left of it once it is cleaned");
  }
  return check.status();
}

}  // namespace

PromptSet::PromptSet(PromptSetOptions options, ModelConfig config, Tokenizer tokenizer,
                     std::vector<std::string> prompts, TextCache cache)
    : options_(std::move(options)),
      config_(std::move(config)),
      tokenizer_(std::move(tokenizer)),
      prompts_(std::move(prompts)),
      cache_(std::move(cache)) {}

absl::StatusOr<PromptSet> PromptSet::Open(const PromptSetOptions& options, std::ostream& remarks) {
  absl::StatusOr<ModelConfig> config = LoadModelConfig(options.model_folder);
  if (!config.ok()) return config.status();
  absl::StatusOr<Tokenizer> tokenizer = Tokenizer::LoadFromFolder(options.model_folder, *config, /*truncate=*/true);
  if (!tokenizer.ok()) return tokenizer.status();
  PromptFileOptions file;
  file.path = options.file;
  file.column = options.column;
  file.most = options.most;
  file.check = [&tokenizer](std::string_view prompt) { return CheckReadable(*tokenizer, prompt); };
  absl::StatusOr<PromptList> list = ReadPromptFile(file);
  if (!list.ok()) return list.status();
  remarks << list->Report(options.file);
  const absl::StatusOr<std::string> fingerprint = FingerprintOf(options, *config);
  if (!fingerprint.ok()) return fingerprint.status();
  absl::StatusOr<TextCache> cache = TextCache::Open(options.cache_folder, *fingerprint);
  if (!cache.ok()) return cache.status();
  return PromptSet(options, *std::move(config), *std::move(tokenizer), std::move(list->prompts), *std::move(cache));
}

absl::Status PromptSet::Check(const std::string& prompt) const { return CheckReadable(tokenizer_, prompt); }

absl::Status PromptSet::Encode(const std::vector<std::string>& wanted, GradientExchange& exchange,
                               std::ostream& remarks) const {
  std::vector<std::string> lacking;
  for (const std::string& prompt : wanted) {
    if (!cache_.Find(prompt)) lacking.push_back(prompt);
  }
  // All have looked before anyone writes or removes: so all lack the same.
  if (const auto looked = exchange.AllGather(0); !looked.ok()) return looked.status();
  if (exchange.rank() == 0) cache_.Retain(wanted);
  if (const auto removed = exchange.AllGather(0); !removed.ok()) return removed.status();
  std::vector<std::string> own;
  for (size_t i = static_cast<size_t>(exchange.rank()); i < lacking.size();
       i += static_cast<size_t>(exchange.world())) {
    own.push_back(lacking[i]);
  }
  const absl::Status encoded =
      own.empty() ? absl::OkStatus() : Guarded("encoding prompts", [&] { return EncodeAll(own, remarks); });
  if (!encoded.ok()) return encoded;
  return exchange.AllGather(0).status();
}

absl::Status PromptSet::EncodeAll(const std::vector<std::string>& prompts, std::ostream& remarks) const {
  const c10::NoGradGuard no_gradients;
  const absl::StatusOr<at::Device> device = ParseDevice(options_.device);
  if (!device.ok()) return device.status();
  const absl::StatusOr<PackedTextEncoder> encoder = LoadEncoder(options_.model_folder, config_, *device);
  if (!encoder.ok()) return encoder.status();
  for (size_t i = 0; i < prompts.size(); ++i) {
    const absl::StatusOr<TokenizedPrompt> tokens = tokenizer_.Tokenize(prompts[i]);
    if (!tokens.ok()) return tokens.status();
    const absl::StatusOr<at::Tensor> rows = encoder->Encode(tokens->ids);
    if (!rows.ok()) return rows.status();
    if (absl::Status added = cache_.Add(prompts[i], *rows); !added.ok()) return added;
    if (i % 64 == 63 || i + 1 == prompts.size()) {
      remarks << absl::StrFormat("\rencoded %d of %d prompts", i + 1, prompts.size()) << std::flush;
    }
  }
  remarks << "\n";
  return absl::OkStatus();
}

absl::StatusOr<at::Tensor> PromptSet::Text(const std::string& prompt) const {
  std::optional<at::Tensor> rows = cache_.Find(prompt);
  if (!rows) {
    return absl::DataLossError(
        absl::StrCat(cache_.PathOf(prompt), ": is damaged or gone; the same command makes it again"));
  }
  return *std::move(rows);
}

}  // namespace videodiffcr::training
