#include "system/port_file.h"

#include <cstdint>
#include <sstream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "system/regular_file.h"
#include "system/whole_file.h"

namespace videodiffcr {
namespace {

constexpr int64_t kMaxBytes = 64 << 10;

}  // namespace

absl::Status WritePortFile(const std::string& path, const std::vector<std::pair<std::string, int>>& ports) {
  std::string text;
  for (const auto& [key, port] : ports) absl::StrAppend(&text, key, "=", port, "\n");
  if (WriteWholeFile(path, text).ok()) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("cannot write ", path, "; choose a file in a folder that exists with --port-file"));
}

absl::StatusOr<int> ReadPortFile(const std::string& path, const std::string& key) {
  const absl::StatusOr<std::string> text = ReadRegularFile(path, kMaxBytes);
  if (!text.ok()) return text.status();
  std::istringstream file(*text);
  for (std::string line; std::getline(file, line);) {
    const std::pair<std::string, std::string> sides = absl::StrSplit(line, absl::MaxSplits('=', 1));
    int port = 0;
    if (sides.first == key && absl::SimpleAtoi(sides.second, &port) && port > 0 && port < 65536) return port;
  }
  return absl::InternalError(absl::StrCat(path, ": names no ", key));
}

}  // namespace videodiffcr
