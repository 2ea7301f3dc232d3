#include "training/run/checkpoint.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/isfinite.h>
#include <c10/core/GradMode.h>

#include <set>

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

TensorEntry Fp32Entry(const std::vector<int64_t>& shape) {
  TensorEntry entry;
  entry.dtype = DType::kF32;
  entry.shape = shape;
  entry.bytes = static_cast<int64_t>(sizeof(float));
  for (const int64_t size : shape) entry.bytes *= size;
  return entry;
}

// The file has the tensors of `state` and no others.
absl::Status CheckState(const SafetensorsReader& file, const std::vector<StateRow>& state) {
  std::set<std::string> known;
  for (const StateRow& row : state) {
    const absl::StatusOr<TensorEntry> entry = file.Find(row.name, row.shape);
    if (!entry.ok()) return entry.status();
    if (entry->dtype != DType::kF32) {
      return absl::InvalidArgumentError(absl::StrCat(file.path(), ": tensor ", row.name, " has type ",
                                                     std::string(DTypeName(entry->dtype)), ", not F32"));
    }
    known.insert(row.name);
  }
  for (const auto& [name, unused] : file.tensors()) {
    if (known.count(name) > 0) continue;
    return absl::InvalidArgumentError(absl::StrCat(file.path(), ": tensor ", name, " is none of this run's"));
  }
  return absl::OkStatus();
}

// What a rank does that does not write.
absl::Status GiveSharedOut(const std::map<std::string, const StateRow*>& rows) {
  for (const auto& [name, row] : rows) {
    if (row->shared == nullptr) continue;
    if (const auto given = row->shared->Gather(row->index); !given.ok()) return given.status();
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status WriteCheckpoint(const std::string& path, const CheckpointHeader& header,
                             const std::vector<StateRow>& state, bool writes) {
  std::map<std::string, const StateRow*> rows;  // in the order of the file, so at all ranks in the same
  std::map<std::string, TensorEntry> entries;
  for (const StateRow& row : state) {
    rows[row.name] = &row;
    entries[row.name] = Fp32Entry(row.shape);
  }
  if (!writes) return GiveSharedOut(rows);
  std::map<std::string, std::string> metadata = {{"stage", header.stage}, {"step", absl::StrCat(header.step)}};
  for (const auto& [name, value] : header.settings) metadata[kSettingPrefix + name] = value;
  at::Tensor current;
  return WriteSafetensors(path, entries, metadata, [&](const std::string& name) -> absl::StatusOr<const void*> {
    const StateRow& row = *rows[name];
    if (row.shared != nullptr) {
      const absl::StatusOr<at::Tensor> whole = row.shared->Gather(row.index);
      if (!whole.ok()) return whole.status();
      current = whole->contiguous();
    } else {
      current = row.destination->detach().cpu().to(at::kFloat).contiguous();
    }
    return current.const_data_ptr();
  });
}

absl::StatusOr<int64_t> ReadCheckpoint(const std::string& path, const CheckpointHeader& expected,
                                       const std::vector<StateRow>& state) {
  const absl::StatusOr<SafetensorsReader> file = SafetensorsReader::Open(path);
  if (!file.ok()) return file.status();
  if (absl::Status header = CheckHeader(path, file->metadata(), expected); !header.ok()) return header;
  int64_t step = 0;
  if (!absl::SimpleAtoi(Lookup(file->metadata(), "step"), &step) || step < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": step '", Lookup(file->metadata(), "step"), "' is no count"));
  }
  if (absl::Status fits = CheckState(*file, state); !fits.ok()) return fits;
  const c10::NoGradGuard no_gradients;
  for (const StateRow& row : state) {
    const at::Tensor values = CopyToTensor(file->tensors().find(row.name)->second);
    if (absl::Status whole = file->CheckWhole(); !whole.ok()) return whole;
    if (!at::isfinite(values).all().item<bool>()) {
      return absl::InvalidArgumentError(absl::StrCat(path, ": tensor ", row.name, " holds values that are not finite"));
    }
    if (row.shared != nullptr) {
      row.shared->Keep(row.index, values);
    } else {
      row.destination->copy_(values);
    }
  }
  return step;
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
