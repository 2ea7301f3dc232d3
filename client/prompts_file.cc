#include "client/prompts_file.h"

#include <cstdint>
#include <sstream>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "system/regular_file.h"
#include "system/wrong_usage.h"

namespace videodiffcr {
namespace {

constexpr size_t kMaxPrompts = 1000;
constexpr size_t kMaxLineBytes = 64 << 10;
constexpr int64_t kMaxFileBytes = 128 << 20;  // such lines, and as much beside them

}  // namespace

absl::StatusOr<std::vector<std::string>> ReadPrompts(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadRegularFile(path, kMaxFileBytes);
  if (!text.ok()) {
    return absl::Status(text.status().code(),
                        absl::StrCat(text.status().message(), "; name another file with --prompts"));
  }
  std::istringstream file(*text);
  std::vector<std::string> prompts;
  std::string line;
  for (size_t number = 1; std::getline(file, line); ++number) {
    absl::StripAsciiWhitespace(&line);
    if (line.empty() || line[0] == '#') continue;
    if (line.size() > kMaxLineBytes || prompts.size() == kMaxPrompts) {
      return WrongUsageError(absl::StrCat("--prompts names ", path, ", whose line ", number,
                                          line.size() > kMaxLineBytes
                                              ? " has more than 65536 bytes"
                                              : " is one more than the 1000 prompts that it may hold"));
    }
    prompts.push_back(line);
  }
  if (prompts.empty()) {
    return WrongUsageError(absl::StrCat("--prompts names ", path, ", which holds no prompt"));
  }
  return prompts;
}

std::string NumberedPath(const std::string& path, size_t number, size_t count) {
  const size_t slash = path.rfind('/');
  const size_t name = slash == std::string::npos ? 0 : slash + 1;
  size_t dot = path.rfind('.');
  if (dot == std::string::npos || dot <= name) dot = path.size();
  const int digits = static_cast<int>(absl::StrCat(count).size());
  return absl::StrFormat("%s-%0*d%s", path.substr(0, dot), digits, number, path.substr(dot));
}

}  // namespace videodiffcr
