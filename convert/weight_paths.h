// From what a user points at to the files of weights: folders, indices of shards, files.
#ifndef VIDEODIFFCR_CONVERT_WEIGHT_PATHS_H_
#define VIDEODIFFCR_CONVERT_WEIGHT_PATHS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace videodiffcr {

// The files behind `paths`, in order. A file is itself; a "*.index.json" stands for the shards that it names, in its
// folder; a folder for its index, else for its only file of weights or its numbered shards, and the folder of a whole
// pipeline for its part `part` ("transformer", "text_encoder", "vae"). NotFound when shards are missing,
// InvalidArgument when a folder holds no weights or several: both say what is there.
absl::StatusOr<std::vector<std::string>> FindWeightFiles(const std::vector<std::string>& paths, absl::string_view part);

// The SentencePiece file behind `path`: itself, or "spiece.model" in that folder or in its part "tokenizer".
absl::StatusOr<std::string> FindTokenizerFile(const std::string& path);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CONVERT_WEIGHT_PATHS_H_
