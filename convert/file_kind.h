// What a file is that holds no weights: the things that people have under the name of a checkpoint.
#ifndef VIDEODIFFCR_CONVERT_FILE_KIND_H_
#define VIDEODIFFCR_CONVERT_FILE_KIND_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace videodiffcr {

// Whether a file begins as safetensors does: the length of a header, and its brace.
bool BeginsAsSafetensors(absl::Span<const uint8_t> bytes);

// "is a Git LFS pointer and not the file ...; fetch it with git lfs pull", by the file's first bytes. For what neither
// begins as safetensors nor as anything else that we know, the first bytes themselves. Empty for safetensors.
std::string ForeignFileKind(absl::Span<const uint8_t> bytes);

// The same of a file that was given as spiece.model; empty when it is nothing that we know.
std::string TokenizerFileKind(absl::string_view content);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CONVERT_FILE_KIND_H_
