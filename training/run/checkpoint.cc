#include "training/run/checkpoint.h"

#include <ATen/core/Tensor.h>
#include <c10/core/GradMode.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "model/weights/safetensors_reader.h"
#include "model/weights/safetensors_writer.h"

namespace videodiffcr::training {
namespace {

constexpr char kSettingPrefix[] = "setting.";

std::string Lookup(const std::map<std::string, std::string>& map, const std::string& key) {
  const auto found = map.find(key);
  return found == map.end() ? "" : found->second;
}

std::string NameOf(const std::map<std::string, std::string>& map, const std::string& key) {
  const std::string value = Lookup(map, key);
  return value.empty() ? "left out" : value;
}

absl::Status CheckHeader(const std::string& path, const std::map<std::string, std::string>& metadata,
                         const CheckpointHeader& expected) {
  if (Lookup(metadata, "stage") != expected.stage) {
    return absl::FailedPreconditionError(absl::StrCat(path, ": a checkpoint of stage '", Lookup(metadata, "stage"),
                                                      "', not of '", expected.stage, "'; use another run folder"));
  }
  const std::map<std::string, std::string>& wanted = expected.settings;
  std::map<std::string, std::string> stored;
  for (const auto& [name, value] : metadata) {
    if (absl::StartsWith(name, kSettingPrefix)) stored[name.substr(sizeof(kSettingPrefix) - 1)] = value;
  }
  std::map<std::string, std::string> all = wanted;
  all.insert(stored.begin(), stored.end());
  for (const auto& [name, unused] : all) {
    if (Lookup(stored, name) == Lookup(wanted, name)) continue;
    return absl::FailedPreconditionError(absl::StrCat(path, ": was started with ", name, " ", NameOf(stored, name),
                                                      ", not ", NameOf(wanted, name),
                                                      "; use the same value or another run folder"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status WriteCheckpoint(const std::string& path, const CheckpointHeader& header,
                             const std::vector<WeightRow>& state) {
  std::map<std::string, std::string> metadata = {{"stage", header.stage}, {"step", absl::StrCat(header.step)}};
  for (const auto& [name, value] : header.settings) metadata[kSettingPrefix + name] = value;
  return WriteWeights(path, state, at::kFloat, metadata);
}

absl::StatusOr<int64_t> ReadCheckpoint(const std::string& path, const CheckpointHeader& expected,
                                       const std::vector<WeightRow>& state) {
  const absl::StatusOr<SafetensorsReader> file = SafetensorsReader::Open(path);
  if (!file.ok()) return file.status();
  if (absl::Status header = CheckHeader(path, file->metadata(), expected); !header.ok()) return header;
  int64_t step = 0;
  if (!absl::SimpleAtoi(Lookup(file->metadata(), "step"), &step) || step < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": step '", Lookup(file->metadata(), "step"), "' is no count"));
  }
  std::vector<at::Tensor> loaded(state.size());
  std::vector<WeightRow> rows = state;
  for (size_t i = 0; i < rows.size(); ++i) rows[i].destination = &loaded[i];
  if (absl::Status status = LoadWeightTable(*file, rows, {}); !status.ok()) return status;
  const c10::NoGradGuard no_gradients;
  for (size_t i = 0; i < rows.size(); ++i) state[i].destination->copy_(loaded[i]);
  return step;
}

std::vector<WeightRow> WithPrefix(const std::string& prefix, std::vector<WeightRow> rows) {
  for (WeightRow& row : rows) row.name = absl::StrCat(prefix, ".", row.name);
  return rows;
}

absl::Status WriteWeights(const std::string& path, const std::vector<WeightRow>& rows, at::ScalarType dtype,
                          const std::map<std::string, std::string>& metadata) {
  std::vector<at::Tensor> kept;  // until the file is written
  std::map<std::string, TensorEntry> entries;
  for (const WeightRow& row : rows) {
    kept.push_back(row.destination->detach().cpu().to(dtype).contiguous());
    absl::StatusOr<TensorEntry> entry = TensorEntryOf(kept.back());
    if (!entry.ok()) return entry.status();
    entries[row.name] = *std::move(entry);
  }
  return WriteSafetensors(path, entries, metadata);
}

}  // namespace videodiffcr::training
