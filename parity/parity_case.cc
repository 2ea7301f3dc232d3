#include "parity/parity_case.h"

#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>
#include <c10/util/Exception.h>

#include <limits>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "model/weights/weight_table.h"

namespace videodiffcr {

namespace {

constexpr double kTolerance = 1e-4;  // fp32, golden files' own rule

struct KindOfCase {
  const char* kind;
  NetworkPath path;
  CaseRunner run;
};

constexpr KindOfCase kKinds[] = {
    {"rollout", NetworkPath::kPlain, RunRolloutPlain}, {"rollout", NetworkPath::kServing, RunRolloutServing},
    {"wan_vae", NetworkPath::kPlain, RunWanVaePlain},  {"wan_vae", NetworkPath::kServing, RunWanVaeServing},
    {"taehv", NetworkPath::kPlain, RunTaehvPlain},     {"taehv", NetworkPath::kServing, RunTaehvServing},
    {"umt5", NetworkPath::kPlain, RunUmt5Plain},       {"umt5", NetworkPath::kServing, RunUmt5Serving},
};

bool IsFloating(const at::Tensor& tensor) { return at::isFloatingType(tensor.scalar_type()); }

double MaxAbsError(const at::Tensor& theirs, const at::Tensor& ours) {
  if (theirs.numel() == 0) return 0;
  const double error = (theirs.to(at::kDouble) - ours.to(at::kDouble)).abs().max().item<double>();
  return error == error ? error : std::numeric_limits<double>::infinity();
}

}  // namespace

const char* NetworkPathName(NetworkPath path) { return path == NetworkPath::kPlain ? "plain" : "serving"; }

absl::StatusOr<CaseOutputs> RunCase(const SafetensorsReader& file, NetworkPath path, at::Device device) {
  const std::optional<std::string> kind = FindCaseSetting(file, "kind");
  if (!kind) return CaseError(file, "metadata has no entry \"kind\"; is this a case file?");
  for (const KindOfCase& candidate : kKinds) {
    if (*kind != candidate.kind || path != candidate.path) continue;
    const c10::NoGradGuard no_gradients;
    try {
      return candidate.run(file, device);
    } catch (const c10::Error& error) {
      return absl::InternalError(absl::StrCat(file.path(), ": ", error.what_without_backtrace()));
    }
  }
  return CaseError(file,
                   absl::StrCat("kind \"", *kind, "\" has no implementation on the ", NetworkPathName(path), " path"));
}

std::vector<OutputComparison> CompareOutputs(const SafetensorsReader& file, const CaseOutputs& ours) {
  std::vector<OutputComparison> comparisons;
  for (const auto& [name, entry] : file.tensors()) {
    if (!absl::StartsWith(name, "out.")) continue;
    OutputComparison comparison;
    comparison.name = name;
    comparison.shape = entry.shape;
    comparison.max_abs_error = std::numeric_limits<double>::infinity();
    const at::Tensor theirs = CopyToTensor(entry);
    comparison.tolerance = IsFloating(theirs) ? kTolerance : 0;
    const auto found = ours.find(name);
    if (found != ours.end() && found->second.sizes() == theirs.sizes()) {
      comparison.max_abs_error = MaxAbsError(theirs, found->second);
    }
    comparison.passed = comparison.max_abs_error <= comparison.tolerance;
    comparisons.push_back(std::move(comparison));
  }
  return comparisons;
}

absl::StatusOr<at::Tensor> ReadCaseTensor(const SafetensorsReader& file, const std::string& name, int64_t dimensions) {
  const absl::StatusOr<TensorEntry> entry = file.Find(name);
  if (!entry.ok()) return entry.status();
  if (static_cast<int64_t>(entry->shape.size()) != dimensions) {
    return CaseError(
        file, absl::StrCat("tensor ", name, " has ", entry->shape.size(), " dimensions; must have ", dimensions));
  }
  return CopyToTensor(*entry).to(at::kFloat);
}

std::optional<std::string> FindCaseSetting(const SafetensorsReader& file, const std::string& key) {
  const auto found = file.metadata().find(key);
  if (found == file.metadata().end()) return std::nullopt;
  return found->second;
}

absl::StatusOr<double> CaseNumber(const SafetensorsReader& file, const std::string& key, double fallback) {
  const std::optional<std::string> text = FindCaseSetting(file, key);
  if (!text) return fallback;
  double value = 0;
  if (!absl::SimpleAtod(*text, &value)) return CaseError(file, absl::StrCat(key, ": \"", *text, "\" is not a number"));
  return value;
}

absl::StatusOr<int64_t> CaseInteger(const SafetensorsReader& file, const std::string& key, int64_t fallback) {
  const std::optional<std::string> text = FindCaseSetting(file, key);
  if (!text) return fallback;
  int64_t value = 0;
  if (!absl::SimpleAtoi(*text, &value)) {
    return CaseError(file, absl::StrCat(key, ": \"", *text, "\" is not a whole number"));
  }
  return value;
}

absl::Status CaseError(const SafetensorsReader& file, const std::string& message) {
  return absl::InvalidArgumentError(absl::StrCat(file.path(), ": ", message));
}

}  // namespace videodiffcr
