// The prompts of a file as a model folder reads them, and their text rows: encoded once, by the folder's own encoder.
#ifndef VIDEODIFFCR_TRAINING_PROMPTS_PROMPT_SET_H_
#define VIDEODIFFCR_TRAINING_PROMPTS_PROMPT_SET_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/config/model_config.h"
#include "model/plain/text/tokenizer.h"
#include "training/parallel/gradient_exchange.h"
#include "training/prompts/text_cache.h"

namespace videodiffcr::training {

struct PromptSetOptions {
  std::string model_folder;
  std::string device = "cpu";  // where prompts are encoded: fp32 on a CPU, bf16 on a GPU, as they are served
  std::string file, column = "prompt";
  int64_t most = 2000;       // prompts of the file
  std::string cache_folder;  // see text_cache.h
};

class PromptSet {
 public:
  // Reads the file; `remarks` gets what was skipped. A prompt of which the tokenizer's cleaning leaves nothing to see,
  // or that is not valid UTF-8, is a broken line; one of too many tokens is cut, as the reference does. Errors of
  // ReadPromptFile() and of the folder's files.
  static absl::StatusOr<PromptSet> Open(const PromptSetOptions& options, std::ostream& remarks);

  const std::vector<std::string>& prompts() const { return prompts_; }

  // What makes a line of the file a broken one, of a prompt that comes from elsewhere. InvalidArgument.
  absl::Status Check(const std::string& prompt) const;

  // Encodes those of `wanted` that the cache lacks, and removes from it what is not wanted. The encoder is in memory
  // only meanwhile, and not at all when nothing is lacking. Several processes share the work; all call it.
  absl::Status Encode(const std::vector<std::string>& wanted, GradientExchange& exchange, std::ostream& remarks) const;

  // [rows, text_dim] of a prompt that was encoded. DataLoss naming the file when it is damaged by now.
  absl::StatusOr<at::Tensor> Text(const std::string& prompt) const;

 private:
  PromptSet(PromptSetOptions options, ModelConfig config, Tokenizer tokenizer, std::vector<std::string> prompts,
            TextCache cache);

  absl::Status EncodeAll(const std::vector<std::string>& prompts, std::ostream& remarks) const;

  PromptSetOptions options_;
  ModelConfig config_;
  Tokenizer tokenizer_;
  std::vector<std::string> prompts_;
  TextCache cache_;
};

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_PROMPTS_PROMPT_SET_H_
