#include "system/port_file.h"

#include <cstdio>
#include <fstream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace videodiffcr {

absl::Status WritePortFile(const std::string& path, const std::vector<std::pair<std::string, int>>& ports) {
  const std::string partial = path + ".partial";  // so that nobody reads half of it
  std::ofstream file(partial);
  for (const auto& [key, port] : ports) file << key << "=" << port << "\n";
  file.close();
  if (file.good() && std::rename(partial.c_str(), path.c_str()) == 0) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("cannot write ", path, "; choose a file in a folder that exists with --port-file"));
}

absl::StatusOr<int> ReadPortFile(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  if (!file) return absl::NotFoundError(absl::StrCat(path, ": is not there"));
  for (std::string line; std::getline(file, line);) {
    const std::pair<std::string, std::string> sides = absl::StrSplit(line, absl::MaxSplits('=', 1));
    int port = 0;
    if (sides.first == key && absl::SimpleAtoi(sides.second, &port) && port > 0 && port < 65536) return port;
  }
  return absl::InternalError(absl::StrCat(path, ": names no ", key));
}

}  // namespace videodiffcr
