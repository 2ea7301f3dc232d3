#include "convert/lora.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "convert/lora_config.h"
#include "convert/lora_keys.h"
#include "convert/weight_paths.h"
#include "model/weights/shown_name.h"

namespace videodiffcr {
namespace {

constexpr size_t kMostNamed = 4;

absl::Status InFile(absl::string_view path, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
}

// The first few of the keys that nothing is known for.
absl::Status UnknownKeys(absl::string_view path, const std::vector<std::string>& keys) {
  std::vector<std::string> few;
  for (const std::string& key : keys) {
    if (few.size() < kMostNamed) few.push_back(ShownName(key));
  }
  const absl::string_view kind = OtherAdapterKind(keys.front());
  return absl::InvalidArgumentError(absl::StrCat(
      path, ": ", keys.size(), " keys ",
      kind.empty() ? "change no tensor of this transformer" : absl::StrCat("are of a ", kind, ", not LoRA"), " (",
      absl::StrJoin(few, ", "), keys.size() > kMostNamed ? ", ..." : "", ")",
      kind.empty() ? "; is it a LoRA of another model?" : ", which is not read"));
}

// One file's part of a change, ready to be added.
struct Term {
  double factor = 1.0;
  int64_t rank = 0;
  int64_t columns = 0;
  std::vector<float> down, up;  // [rank, columns], [rows, rank]
  std::vector<float> whole;     // [rows * columns]; then there is no rank
};

// Adds elements [first, first + count) of the term, which lie in one row.
void AddRun(const Term& term, int64_t first, int64_t count, double* sums) {
  if (!term.whole.empty()) {
    for (int64_t i = 0; i < count; ++i) sums[i] += term.factor * term.whole[first + i];
    return;
  }
  const int64_t row = first / term.columns, column = first % term.columns;
  for (int64_t k = 0; k < term.rank; ++k) {
    const double weight = term.factor * term.up[row * term.rank + k];
    const float* down = term.down.data() + k * term.columns + column;
    for (int64_t i = 0; i < count; ++i) sums[i] += weight * down[i];
  }
}

ValueChange ChangeBy(std::shared_ptr<const std::vector<Term>> terms, int64_t columns) {
  return [terms = std::move(terms), columns](int64_t first, int64_t count, float* values) {
    std::vector<double> sums;
    while (count > 0) {
      const int64_t run = std::min(count, columns - first % columns);
      sums.assign(run, 0.0);
      for (const Term& term : *terms) AddRun(term, first, run, sums.data());
      for (int64_t i = 0; i < run; ++i) values[i] = static_cast<float>(values[i] + sums[i]);
      first += run;
      count -= run;
      values += run;
    }
    return absl::OkStatus();
  };
}

}  // namespace

absl::StatusOr<LoraSet> LoraSet::Open(const std::vector<LoraFile>& files,
                                      const std::vector<ExpectedTensor>& transformer,
                                      const std::string& scratch_folder) {
  LoraSet set;
  for (const LoraFile& file : files) {
    if (absl::Status status = set.Add(file, scratch_folder, transformer); !status.ok()) return status;
  }
  return set;
}

absl::Status LoraSet::Add(const LoraFile& file, const std::string& scratch_folder,
                          const std::vector<ExpectedTensor>& transformer) {
  const absl::StatusOr<std::vector<std::string>> paths = FindWeightFiles({file.path}, "");
  if (!paths.ok()) return paths.status();
  absl::StatusOr<WeightSet> weights = WeightSet::Open(
      *paths, {{"generator_ema", "generator_lora", "generator", "lora", "state_dict", "model_state_dict", "model"},
               /*entry_required=*/false,
               scratch_folder});
  if (!weights.ok()) return weights.status();
  const absl::StatusOr<LoraConfig> config = FindLoraConfig(file.path, paths->front(), weights->Metadata());
  if (!config.ok()) return config.status();
  const size_t index = sources_.size();
  const LoraKeys keys(transformer);
  std::map<std::string, Change> found;
  std::vector<std::string> unknown;
  for (const auto& [name, tensor] : weights->tensors()) {
    const std::optional<LoraKey> key = keys.Parse(name);
    if (!key.has_value()) {
      unknown.push_back(tensor.original);
      continue;
    }
    Change& change = found[key->tensor];
    change.file = index;
    std::string* const part = key->part == LoraPart::kDown    ? &change.down
                              : key->part == LoraPart::kUp    ? &change.up
                              : key->part == LoraPart::kAlpha ? &change.alpha
                                                              : &change.whole;
    if (!part->empty()) {
      return absl::InvalidArgumentError(absl::StrCat(file.path, ": tensor '", ShownName(tensor.original),
                                                     "' says again what '", ShownName(*part), "' says"));
    }
    *part = name;
  }
  if (!unknown.empty()) return UnknownKeys(file.path, unknown);
  if (found.empty()) return absl::InvalidArgumentError(absl::StrCat(file.path, ": changes nothing"));
  sources_.push_back({file, *std::move(weights), config->alpha, config->root_of_rank});
  for (const ExpectedTensor& row : transformer) {
    const auto change = found.find(row.name);
    if (change == found.end()) continue;
    if (absl::Status status = CheckChange(row.name, row.shape, change->second); !status.ok()) {
      return InFile(file.path, status);
    }
    changes_[row.name].push_back(std::move(change->second));
  }
  return absl::OkStatus();
}

// An up of `rows` by rank, a down of rank by columns, however many axes of one their shapes have.
absl::Status LoraSet::CheckChange(const std::string& tensor, const std::vector<int64_t>& shape,
                                  const Change& change) const {
  const SourceTensors& tensors = sources_[change.file].weights.tensors();
  int64_t elements = 1;
  for (const int64_t size : shape) elements *= size;
  for (const std::string& name : {change.down, change.up, change.whole, change.alpha}) {
    if (!name.empty() && !IsWeightType(tensors.at(name).dtype)) {
      return absl::InvalidArgumentError(absl::StrCat("tensor ", ShownName(tensors.at(name).original), " is ",
                                                     std::string(DTypeName(tensors.at(name).dtype))));
    }
  }
  if (!change.alpha.empty() && tensors.at(change.alpha).elements() != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("tensor ", ShownName(tensors.at(change.alpha).original), " is not one number"));
  }
  if (!change.whole.empty() && tensors.at(change.whole).elements() != elements) {
    return absl::InvalidArgumentError(
        absl::StrCat("tensor ", ShownName(tensors.at(change.whole).original), " does not have the shape of ", tensor));
  }
  if (change.down.empty() && change.up.empty()) {
    if (!change.whole.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(tensor, " has an alpha and no factors"));
  }
  if (change.down.empty() || change.up.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(tensor, " has one factor of a change and not the other (",
                                                   ShownName(change.down.empty() ? change.up : change.down), ")"));
  }
  const SourceTensor& down = tensors.at(change.down);
  const SourceTensor& up = tensors.at(change.up);
  const int64_t rank = down.shape.empty() ? 0 : down.shape.front();
  const bool fits = rank > 0 && !up.shape.empty() && up.shape.front() == shape.front() && up.shape.size() > 1 &&
                    up.shape[1] == rank && up.elements() == shape.front() * rank &&
                    down.elements() == rank * (elements / shape.front());
  if (fits) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      ShownName(up.original), " [", absl::StrJoin(up.shape, ","), "] times ", ShownName(down.original), " [",
      absl::StrJoin(down.shape, ","), "] does not make the shape [", absl::StrJoin(shape, ","), "] of ", tensor));
}

std::vector<std::string> LoraSet::Notes() const {
  std::vector<std::string> notes;
  for (const Source& source : sources_) {
    const std::vector<std::string> more = source.weights.Notes();
    notes.insert(notes.end(), more.begin(), more.end());
  }
  return notes;
}

absl::StatusOr<std::vector<float>> LoraSet::ReadAll(size_t file, const std::string& name) {
  WeightSet& weights = sources_[file].weights;
  if (absl::Status status = weights.CheckData(name); !status.ok()) return status;
  const absl::StatusOr<SourceTensor> tensor = weights.Load(name);
  if (!tensor.ok()) return tensor.status();
  std::vector<float> values(tensor->elements());
  absl::Status status = TensorValues(*tensor).Read(0, static_cast<int64_t>(values.size()), values.data());
  status.Update(weights.FinishReading(name));
  if (status.ok()) return values;
  return InFile(weights.Paths(),
                absl::Status(status.code(), absl::StrCat(ShownName(tensor->original), ": ", status.message())));
}

absl::StatusOr<double> LoraSet::FactorOf(const Change& change) {
  const Source& source = sources_[change.file];
  if (change.down.empty()) return source.file.scale;
  std::optional<double> alpha = source.alpha;
  if (!change.alpha.empty()) {
    const absl::StatusOr<std::vector<float>> value = ReadAll(change.file, change.alpha);
    if (!value.ok()) return value.status();
    alpha = value->front();
  }
  if (!alpha.has_value()) return source.file.scale;
  const double rank = static_cast<double>(source.weights.tensors().at(change.down).shape.front());
  return source.file.scale * *alpha / (source.root_of_rank ? std::sqrt(rank) : rank);
}

absl::StatusOr<ValueChange> LoraSet::ChangeOf(const std::string& tensor) {
  auto terms = std::make_shared<std::vector<Term>>();
  int64_t columns = 0;
  for (const Change& change : changes_.at(tensor)) {
    const absl::StatusOr<double> factor = FactorOf(change);
    if (!factor.ok()) return factor.status();
    if (!change.down.empty()) {
      absl::StatusOr<std::vector<float>> down = ReadAll(change.file, change.down);
      if (!down.ok()) return down.status();
      absl::StatusOr<std::vector<float>> up = ReadAll(change.file, change.up);
      if (!up.ok()) return up.status();
      Term term{.factor = *factor};
      term.rank = sources_[change.file].weights.tensors().at(change.down).shape.front();
      term.columns = columns = static_cast<int64_t>(down->size()) / term.rank;
      term.down = *std::move(down);
      term.up = *std::move(up);
      terms->push_back(std::move(term));
    }
    if (!change.whole.empty()) {
      absl::StatusOr<std::vector<float>> whole = ReadAll(change.file, change.whole);
      if (!whole.ok()) return whole.status();
      terms->push_back({.factor = sources_[change.file].file.scale, .whole = *std::move(whole)});
    }
  }
  // Rows matter to factors alone; without them the whole tensor may be one.
  if (columns == 0) columns = int64_t{1} << 20;
  return ChangeBy(std::move(terms), columns);
}

}  // namespace videodiffcr
