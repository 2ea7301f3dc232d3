// Released files in, a model folder out.
#ifndef VIDEODIFFCR_CONVERT_MODEL_CONVERSION_H_
#define VIDEODIFFCR_CONVERT_MODEL_CONVERSION_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "convert/output_plan.h"
#include "model/config/model_config.h"

namespace videodiffcr {

struct ConversionRequest {
  ModelConfig config;                          // every size is checked against the files
  bool decoder_kind_from_file = false;         // put the kind of decoder_file into the config instead of checking it
  std::vector<std::string> transformer_files;  // one file, or all shards
  // Which dict of a torch.save transformer to read: the first that is there.
  std::vector<std::string> transformer_entries = {"generator_ema", "generator", "model"};
  bool transformer_entry_required = false;  // false: a file without such an entry is itself the dict
  std::string text_encoder_file;
  std::string tokenizer_file;  // spiece.model
  std::string decoder_file;    // TAEHV or Wan VAE
  std::string routers_file;    // empty: a dense model
  PrecisionOptions precision;
  std::string output_folder;  // must not exist
};

struct ConversionProgress {
  absl::string_view file;    // being written, for example "transformer.safetensors"
  absl::string_view tensor;  // just finished
  int64_t done_bytes = 0;    // written, of the whole folder
  int64_t total_bytes = 0;
};
using ProgressFunction = std::function<void(const ConversionProgress&)>;

// Checks everything (names, shapes, types, sizes, free disk space) before the first byte is written, then converts
// tensor by tensor. The folder appears under its name only when it is complete, config.json is written last, and on
// failure nothing is left. Memory: the source files are mapped, and about 2 MB are held besides. Errors name file and
// tensor.
absl::Status ConvertModel(const ConversionRequest& request, const ProgressFunction& progress);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CONVERT_MODEL_CONVERSION_H_
