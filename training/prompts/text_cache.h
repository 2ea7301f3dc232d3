// Text rows of prompts on disk, so that a run needs its text encoder once: a file per prompt.
//
// Bounded by what is asked of it: Retain() removes all other files. Nothing that is wrong with a file goes further than
// that its prompt is encoded again.
#ifndef VIDEODIFFCR_TRAINING_PROMPTS_TEXT_CACHE_H_
#define VIDEODIFFCR_TRAINING_PROMPTS_TEXT_CACHE_H_

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace videodiffcr::training {

class TextCache {
 public:
  // `folder` is made. `fingerprint`: of all that rows depend on beside the prompt.
  static absl::StatusOr<TextCache> Open(const std::string& folder, const std::string& fingerprint);

  // [rows, text_dim] on the CPU as it was added; nothing when there is none, when its bytes do not have the checksum
  // that they were written with, and when it is another prompt's or another encoder's.
  std::optional<at::Tensor> Find(const std::string& prompt) const;

  // `prompt` is valid UTF-8. Errors name the file (disk full).
  absl::Status Add(const std::string& prompt, const at::Tensor& rows) const;

  // Removes what is there of other prompts, and what writes that were cut have left.
  void Retain(const std::vector<std::string>& prompts) const;

  std::string PathOf(const std::string& prompt) const;

 private:
  TextCache(std::string folder, std::string fingerprint)
      : folder_(std::move(folder)), fingerprint_(std::move(fingerprint)) {}

  std::string folder_, fingerprint_;
};

// 16 hexadecimal digits of the 64-bit FNV-1a hash: a name, no protection against who wants to collide.
std::string HashName(const std::string& bytes);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_PROMPTS_TEXT_CACHE_H_
