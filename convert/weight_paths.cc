#include "convert/weight_paths.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "convert/file_kind.h"
#include "model/config/json_fields.h"
#include "model/weights/shown_name.h"
#include "system/bounded_json.h"
#include "system/regular_file.h"

namespace videodiffcr {
namespace {

namespace fs = std::filesystem;
using Paths = std::vector<std::string>;

constexpr absl::string_view kIndexEnding = ".index.json";
constexpr int64_t kMostIndexBytes = int64_t{16} << 20;
constexpr int kMostIndexDepth = 8;
constexpr size_t kMostFolderEntries = 10'000;
constexpr size_t kMostNamed = 6;

bool IsFolder(const std::string& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

bool IsFile(const std::string& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

std::string Few(const Paths& names) {
  const Paths few(names.begin(), names.begin() + static_cast<ptrdiff_t>(std::min(names.size(), kMostNamed)));
  return absl::StrCat(absl::StrJoin(few, ", "), names.size() > kMostNamed ? ", ..." : "");
}

// Names in the folder, sorted.
absl::StatusOr<Paths> List(const std::string& folder) {
  Paths names;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    if (names.size() == kMostFolderEntries) {
      return absl::InvalidArgumentError(absl::StrCat(folder, ": more than ", kMostFolderEntries, " files"));
    }
    names.push_back(at->path().filename().string());
  }
  if (error) return absl::InvalidArgumentError(absl::StrCat(folder, ": ", error.message()));
  std::sort(names.begin(), names.end());
  return names;
}

Paths EndingWith(const Paths& names, std::initializer_list<absl::string_view> endings) {
  Paths found;
  for (const std::string& name : names) {
    const bool fits = std::any_of(endings.begin(), endings.end(),
                                  [&name](absl::string_view ending) { return absl::EndsWith(name, ending); });
    if (fits) found.push_back(name);
  }
  return found;
}

// "NAME-00002-of-00003.ENDING".
struct ShardName {
  std::string base, ending;
  int number = 0, count = 0;
};

std::optional<ShardName> ParseShardName(absl::string_view name) {
  const size_t of = name.rfind("-of-");
  const size_t dash = of == absl::string_view::npos ? of : name.rfind('-', of - 1);
  if (of == 0 || dash == absl::string_view::npos) return std::nullopt;
  const size_t dot = name.find('.', of);
  ShardName shard;
  if (dot == absl::string_view::npos || !absl::SimpleAtoi(name.substr(dash + 1, of - dash - 1), &shard.number) ||
      !absl::SimpleAtoi(name.substr(of + 4, dot - of - 4), &shard.count)) {
    return std::nullopt;
  }
  shard.base = std::string(name.substr(0, dash));
  shard.ending = std::string(name.substr(dot));
  return shard;
}

std::string Joined(const std::string& folder, const std::string& name) {
  return folder.empty() ? name : (fs::path(folder) / name).string();
}

absl::Status CheckPresent(const std::string& index, const std::string& folder, const Paths& shards) {
  Paths missing;
  for (const std::string& shard : shards) {
    if (!IsFile(Joined(folder, shard))) missing.push_back(shard);
  }
  if (missing.empty()) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat(index, ": names ", shards.size(), " shards, of which ", missing.size(),
                                          " are not beside it (", Few(missing), "); download them into its folder"));
}

absl::StatusOr<Paths> ReadIndex(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadRegularFile(path, kMostIndexBytes);
  if (!text.ok()) return text.status();
  const auto error = [&path](absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", what));
  };
  const absl::StatusOr<nlohmann::json> json = ParseBoundedJson(*text, kMostIndexDepth);
  if (!json.ok()) {
    if (!absl::StartsWith(absl::StripLeadingAsciiWhitespace(*text), "{")) {
      return error(ForeignFileKind({reinterpret_cast<const uint8_t*>(text->data()), text->size()}));
    }
    return error(json.status().message());
  }
  if (!json->is_object() || !json->contains("weight_map") || !(*json)["weight_map"].is_object()) {
    return error("has no weight_map; is it the index of a checkpoint in shards?");
  }
  std::set<std::string> shards;
  for (const auto& [tensor, file] : (*json)["weight_map"].items()) {
    const std::string name = file.is_string() ? file.get<std::string>() : "";
    if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos ||
        name.find('\0') != std::string::npos) {
      return error(
          absl::StrCat("weight_map.", ShownName(tensor), " must be the plain name of a file beside the index"));
    }
    shards.insert(name);
  }
  if (shards.empty()) return error("its weight_map names no shards");
  const std::string folder = fs::path(path).parent_path().string();
  Paths names(shards.begin(), shards.end());
  if (absl::Status status = CheckPresent(path, folder, names); !status.ok()) return status;
  for (std::string& name : names) name = Joined(folder, name);
  return names;
}

// Files of weights without an index: one alone, or all of one numbered set.
absl::StatusOr<Paths> WithoutIndex(const std::string& folder, const Paths& files) {
  Paths paths;
  for (const std::string& file : files) paths.push_back(Joined(folder, file));
  if (files.size() == 1 && !ParseShardName(files.front()).has_value()) return paths;
  const std::optional<ShardName> first = ParseShardName(files.front());
  const bool one_set = first.has_value() && std::all_of(files.begin(), files.end(), [&](const std::string& file) {
                         const std::optional<ShardName> shard = ParseShardName(file);
                         return shard.has_value() && shard->base == first->base && shard->ending == first->ending &&
                                shard->count == first->count;
                       });
  if (!one_set) {
    return absl::InvalidArgumentError(
        absl::StrCat(folder, ": holds several files of weights (", Few(files), "); give the one that is meant"));
  }
  if (static_cast<int64_t>(files.size()) != first->count) {
    return absl::NotFoundError(absl::StrCat(folder, ": holds ", files.size(), " of ", first->count, " shards (",
                                            Few(files), "); download the others"));
  }
  return paths;
}

// Shards that were given one by one, and not all of them.
absl::Status CheckWholeSets(const Paths& files) {
  std::map<std::string, int64_t> given;
  const auto set_of = [](const ShardName& shard) { return absl::StrCat(shard.base, "|", shard.count, shard.ending); };
  for (const std::string& file : files) {
    const std::optional<ShardName> shard = ParseShardName(file);
    if (shard.has_value()) ++given[set_of(*shard)];
  }
  for (const std::string& file : files) {
    const std::optional<ShardName> shard = ParseShardName(file);
    if (!shard.has_value() || given[set_of(*shard)] >= shard->count) continue;
    return absl::InvalidArgumentError(absl::StrCat(file, ": is shard ", shard->number, " of ", shard->count,
                                                   "; give all of them, their index or their folder"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Paths> InFolder(const std::string& folder, absl::string_view part) {
  const absl::StatusOr<Paths> names = List(folder);
  if (!names.ok()) return names.status();
  const Paths indices = EndingWith(*names, {kIndexEnding});
  if (indices.size() == 1) return ReadIndex(Joined(folder, indices.front()));
  if (indices.size() > 1) {
    return absl::InvalidArgumentError(
        absl::StrCat(folder, ": holds several indices (", Few(indices), "); give the one that is meant"));
  }
  Paths files = EndingWith(*names, {".safetensors"});
  if (files.empty()) files = EndingWith(*names, {".pt", ".pth", ".bin", ".ckpt"});
  if (!files.empty()) return WithoutIndex(folder, files);
  const std::string inner = Joined(folder, std::string(part));
  if (!part.empty() && IsFolder(inner)) return InFolder(inner, "");
  if (!EndingWith(*names, {".distcp"}).empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(folder,
                     ": is a distributed checkpoint of PyTorch (.distcp); make one file of it with: python -m "
                     "torch.distributed.checkpoint.format_utils dcp_to_torch ",
                     folder, " checkpoint.pt"));
  }
  return absl::InvalidArgumentError(absl::StrCat(folder, ": holds no weights (.safetensors, .pt, .pth, .bin); it has: ",
                                                 names->empty() ? "nothing" : Few(*names)));
}

}  // namespace

absl::StatusOr<std::vector<std::string>> FindWeightFiles(const std::vector<std::string>& paths,
                                                         absl::string_view part) {
  Paths files;
  for (const std::string& path : paths) {
    absl::StatusOr<Paths> found = Paths{path};
    if (IsFolder(path)) found = InFolder(path, part);
    if (absl::EndsWith(path, kIndexEnding) && !IsFolder(path)) found = ReadIndex(path);
    if (!found.ok()) return found.status();
    files.insert(files.end(), found->begin(), found->end());
  }
  if (absl::Status status = CheckWholeSets(files); !status.ok()) return status;
  return files;
}

absl::StatusOr<std::string> FindTokenizerFile(const std::string& path) {
  if (!IsFolder(path)) return path;
  for (const char* place : {"spiece.model", "tokenizer/spiece.model", "google/umt5-xxl/spiece.model"}) {
    if (IsFile(Joined(path, place))) return Joined(path, place);
  }
  return absl::NotFoundError(absl::StrCat(path,
                                          ": no spiece.model in this folder or its tokenizer folder; a "
                                          "tokenizer.json does not hold what is needed"));
}

}  // namespace videodiffcr
