// Released files in, a model folder out.
#ifndef VIDEODIFFCR_CONVERT_MODEL_CONVERSION_H_
#define VIDEODIFFCR_CONVERT_MODEL_CONVERSION_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "convert/lora.h"
#include "convert/output_plan.h"
#include "model/config/model_config.h"

namespace videodiffcr {

struct ConversionRequest {
  ModelConfig config;                   // every size is checked against the files
  bool decoder_kind_from_file = false;  // put the kind of decoder_file into the config instead of checking it
  // Each a file, all shards, an index of shards, or a folder (weight_paths.h).
  std::vector<std::string> transformer_files;
  // Which dict of a torch.save transformer to read: the first that is there and not empty.
  std::vector<std::string> transformer_entries = {"generator_ema", "generator", "model", "state_dict",
                                                  "model_state_dict"};
  bool transformer_entry_required = false;  // false: a file without such an entry is itself the dict
  std::vector<LoraFile> loras;              // merged into the transformer, all at once
  std::vector<std::string> text_encoder_files;
  std::string tokenizer_file;              // spiece.model or its folder; empty: the one inside the text encoder's file
  std::vector<std::string> decoder_files;  // TAEHV or Wan VAE
  std::string routers_file;                // empty: a dense model
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

// Takes what the user should know of a file although it is read.
using NoteFunction = std::function<void(const std::string& note)>;

// Checks everything (names, shapes, types, sizes, free disk space) before the first byte is written, then converts
// tensor by tensor. The folder appears under its name only when it is complete, config.json is written last, and on
// failure nothing is left. Memory: the source files are mapped, and about 2 MB are held besides, with a LoRA the
// factors of one tensor; deflated tensors are unpacked beside the output, one at a time. Errors name file and tensor.
// `note` may be null.
absl::Status ConvertModel(const ConversionRequest& request, const ProgressFunction& progress,
                          const NoteFunction& note = nullptr);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CONVERT_MODEL_CONVERSION_H_
