// Prompts to train and to judge with, from a file as people have them: text, CSV or JSON lines. What is wrong with a
// line costs that line alone.
#ifndef VIDEODIFFCR_TRAINING_PROMPTS_PROMPT_FILE_H_
#define VIDEODIFFCR_TRAINING_PROMPTS_PROMPT_FILE_H_

#include <cstdint>
#include <functional>
#include <istream>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace videodiffcr::training {

enum class PromptFormat {
  kText,  // one a line; lines that are empty or begin with # are passed over
  kCsv,   // RFC 4180: the first line names the columns; a quoted field may hold commas, quotes (twice) and newlines
  kJsonLines,  // an object a line
};

// By the end of the name: .csv; .jsonl, .ndjson and .json; else text.
PromptFormat PromptFormatOf(const std::string& path);

struct PromptFileOptions {
  std::string path;
  std::string column = "prompt";  // of CSV, and the key of JSON lines
  int64_t most = 2000;            // reading ends with so many
  // Of a file that is read to find them; what is published has a tenth of it.
  int64_t most_bytes = int64_t{16} << 30;
  // Says why a prompt is of no use: its line is skipped as a broken one. Empty: all are.
  std::function<absl::Status(std::string_view prompt)> check;
};

struct SkippedLine {
  int64_t line = 0;  // from 1; where it begins
  std::string why;
};

struct PromptList {
  std::vector<std::string> prompts;  // in the file's order, with doubles
  int64_t skipped = 0;               // broken lines
  std::vector<SkippedLine> first_skipped;

  // "prompts.csv: 2 lines skipped" and a line for each of the first; empty when there is nothing to say.
  std::string Report(const std::string& path) const;
};

inline constexpr size_t kMostNamedLines = 10;
inline constexpr size_t kMostPromptLineBytes = size_t{64} << 10;  // of one record, all of its columns

// NotFound naming `path` when it cannot be read. InvalidArgument when CSV has no such column, which it then lists, when
// no prompt is left, with what was wrong, and when `most_bytes` did not hold `most` prompts and there is more.
absl::StatusOr<PromptList> ReadPromptFile(const PromptFileOptions& options);

// The same of an open stream; `options.path` is but a name.
absl::StatusOr<PromptList> ReadPrompts(std::istream& file, PromptFormat format, const PromptFileOptions& options);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_PROMPTS_PROMPT_FILE_H_
