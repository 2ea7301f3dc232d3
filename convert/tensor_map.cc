#include "convert/tensor_map.h"

#include <algorithm>
#include <variant>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "model/weights/shown_name.h"

namespace videodiffcr {
namespace {

constexpr int kMostLevels = 4;  // {"state_dict": {"generator": {...}}} has two
constexpr size_t kMostNamed = 8;

class Selection {
 public:
  Selection(const PickleDocument& document, const TensorMapChoice& choice) : document_(document), choice_(choice) {}

  absl::StatusOr<const PickleDict*> Select(std::vector<std::string>* notes) const;

 private:
  template <typename T>
  const T* Get(PickleIndex index) const {
    return std::get_if<T>(&document_.values[index]);
  }
  // The value under `name`, null when there is none.
  const PickleValue* Find(const PickleDict& dict, absl::string_view name) const {
    for (const auto& [key, value] : dict.items) {
      const auto* found = Get<absl::string_view>(key);
      if (found != nullptr && *found == name) return &document_.values[value];
    }
    return nullptr;
  }
  // The first of the names under which `dict` has a dict with something in it.
  const PickleDict* Step(const PickleDict& dict, std::vector<std::string>* notes) const;
  bool HoldsTensors(const PickleDict& dict) const;
  // "generator, critic, step; 'generator' holds 825 tensors; 'critic' is an empty map".
  std::string Contents(const PickleDict& dict) const;

  const PickleDocument& document_;
  const TensorMapChoice& choice_;
};

const PickleDict* Selection::Step(const PickleDict& dict, std::vector<std::string>* notes) const {
  std::vector<std::string> empty;
  for (const std::string& name : choice_.entries) {
    const PickleValue* value = Find(dict, name);
    if (value == nullptr) continue;
    const auto* inner = std::get_if<PickleDict>(value);
    if (inner != nullptr && !inner->items.empty()) {
      if (!empty.empty() && notes != nullptr) {
        notes->push_back(
            absl::StrCat(choice_.path, ": ", absl::StrJoin(empty, " and "), "; the tensors are those of '", name, "'"));
      }
      return inner;
    }
    if (inner != nullptr) empty.push_back(absl::StrCat("'", name, "' is an empty map"));
    if (std::holds_alternative<PickleNone>(*value)) empty.push_back(absl::StrCat("'", name, "' is None"));
  }
  return nullptr;
}

bool Selection::HoldsTensors(const PickleDict& dict) const {
  for (const auto& [key, value] : dict.items) {
    if (Get<PickledTensor>(value) != nullptr) return true;
  }
  return false;
}

std::string Selection::Contents(const PickleDict& dict) const {
  std::vector<std::string> names, maps;
  for (const auto& [key, value] : dict.items) {
    const auto* name = Get<absl::string_view>(key);
    if (name == nullptr || names.size() == kMostNamed) continue;
    names.push_back(ShownName(*name));
    const auto* inner = Get<PickleDict>(value);
    if (inner == nullptr) continue;
    const auto tensors = std::count_if(inner->items.begin(), inner->items.end(),
                                       [this](const auto& item) { return Get<PickledTensor>(item.second) != nullptr; });
    if (inner->items.empty()) maps.push_back(absl::StrCat("; '", names.back(), "' is an empty map"));
    if (tensors > 0) maps.push_back(absl::StrCat("; '", names.back(), "' holds ", tensors, " tensors"));
  }
  return absl::StrCat(absl::StrJoin(names, ", "), absl::StrJoin(maps, ""));
}

absl::StatusOr<const PickleDict*> Selection::Select(std::vector<std::string>* notes) const {
  const auto* root = Get<PickleDict>(document_.root);
  if (root == nullptr)
    return absl::InvalidArgumentError(
        absl::StrCat(choice_.path, ": its top level is not a dict; save the dict of the weights alone"));
  const PickleDict* chosen = root;
  for (int level = 0; level < kMostLevels && (chosen == root || !HoldsTensors(*chosen)); ++level) {
    const PickleDict* inner = Step(*chosen, notes);
    if (inner == nullptr) break;
    chosen = inner;
  }
  if (choice_.required && chosen == root) {
    return absl::NotFoundError(absl::StrCat(choice_.path, ": no dict under '", absl::StrJoin(choice_.entries, "' or '"),
                                            "'; its top level has: ", Contents(*root)));
  }
  if (HoldsTensors(*chosen) || chosen->items.empty()) return chosen;
  for (const auto& [key, value] : chosen->items) {
    if (Get<PickleDict>(value) == nullptr) continue;
    return absl::InvalidArgumentError(absl::StrCat(choice_.path,
                                                   ": holds no map of tensors under a name that is known; "
                                                   "it has: ",
                                                   Contents(*chosen),
                                                   ". --entry NAME says which one is the transformer"));
  }
  return chosen;
}

}  // namespace

absl::StatusOr<const PickleDict*> SelectTensorMap(const PickleDocument& document, const TensorMapChoice& choice,
                                                  std::vector<std::string>* notes) {
  return Selection(document, choice).Select(notes);
}

}  // namespace videodiffcr
