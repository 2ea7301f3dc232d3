#include "training/students/baselines.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "system/wrong_usage.h"
#include "training/students/d2it_student.h"
#include "training/students/flexidit_student.h"
#include "training/students/learned_ratios.h"
#include "training/students/literal_diffcr_student.h"
#include "training/students/mixture_of_depths_student.h"
#include "training/students/random_student.h"
#include "training/students/routed_student.h"
#include "training/students/spvit_student.h"
#include "training/students/videodiffcr_options.h"
#include "training/students/videodiffcr_student.h"

namespace videodiffcr::training {
namespace {

constexpr char kVideodiffcr[] = "videodiffcr";  // with routers that see the cache

absl::Status CheckTarget(const BaselineOptions& options) {
  if (options.method == "dense" || (options.target >= 0.1 && options.target < 1)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("--target ", options.target, ": must be from 0.1 to below 1 for ", options.method));
}

// One without a serving path.
absl::StatusOr<std::unique_ptr<BaselineStudent>> MakeOwnKind(const BaselineOptions& options, const std::string& folder,
                                                             TrainingModel& model) {
  if (options.method == "random") return std::make_unique<RandomStudent>(options, model);
  if (options.method == "spvit") return SpvitStudent::Make(options, model);
  if (options.method == "d2it") return D2itStudent::Make(options, folder, model);
  if (options.method == "diffcr-literal") return std::make_unique<LiteralDiffcrStudent>(options, model);
  if (options.method == "flexidit") return FlexiditStudent::Make(options, folder, model);
  return std::make_unique<MixtureOfDepthsStudent>(options, model);
}

// DiffCR's and the linear-router row: the paper's method without some of its steps.
absl::StatusOr<std::unique_ptr<Student>> MakeAblation(const BaselineOptions& options, const std::string& folder,
                                                      uint64_t seed, TrainingModel& model) {
  VideodiffcrOptions student;
  student.targets = {options.target};
  student.router = RouterKind::kLinear;
  student.step_deltas = options.method == "linear-router";
  student.accounting = RatioAccounting::kExecuted;
  student.router_learning_rate = options.own_learning_rate;
  if (student.step_deltas) {
    const RetentionConfig& retention = model.config.retention;
    if (absl::Status deltas = CheckDeltas(options.deltas, retention); !deltas.ok()) return deltas;
    const auto [even, odd] = AlternatingTenths(options.target, RatioRuleOf(options.deltas, retention));
    student.initial_ratios = {0.1 * even, 0.1 * odd};
    student.deltas = options.deltas;
  }
  return VideodiffcrStudent::Make(student, folder, seed, model);
}

// What the metadata of a student's file say of it.
absl::StatusOr<BaselineOptions> OptionsOf(const SafetensorsReader& file) {
  static const auto& opened =
      *new std::vector<std::string>{"random", "diffcr-literal", "mod", "spvit", "d2it", "flexidit", kVideodiffcr};
  const auto entry = [&file](const char* key) {
    const auto found = file.metadata().find(key);
    return found == file.metadata().end() ? std::string() : found->second.substr(0, 64);
  };
  BaselineOptions options;
  options.method = entry("method");
  if (std::find(opened.begin(), opened.end(), options.method) == opened.end()) {
    return absl::InvalidArgumentError(absl::StrCat(file.path(), ": metadata method: \"", options.method,
                                                   "\"; must be one of ", absl::StrJoin(opened, ", ")));
  }
  if (options.method == kVideodiffcr) return options;
  if (!absl::SimpleAtod(entry("target"), &options.target) || !(options.target >= 0.1 && options.target < 1)) {
    return absl::InvalidArgumentError(absl::StrCat(file.path(), ": metadata target: \"", entry("target"),
                                                   "\"; must be a number from 0.1 to below 1"));
  }
  return options;
}

// VideoDiffCR with what is added to its routers.
absl::StatusOr<std::unique_ptr<Student>> OpenCacheAware(const SafetensorsReader& file, const std::string& folder,
                                                        TrainingModel& model) {
  CacheAwareRouters cache_aware;
  WeightOptions weights;
  weights.device = model.device;
  const absl::Status loaded = LoadWeightTable(file, CacheAwareTable(model.config, &cache_aware), weights);
  if (!loaded.ok()) return loaded;
  if (absl::Status routers = LoadRouters(folder, &model); !routers.ok()) return routers;
  return std::make_unique<RoutedStudent>(model, 0.0, std::move(cache_aware));
}

}  // namespace

const std::vector<std::string>& BaselineMethods() {
  static const auto& names = *new std::vector<std::string>{
      "dense", "random", "linear-router", "diffcr", "diffcr-literal", "mod", "spvit", "d2it", "flexidit"};
  return names;
}

absl::StatusOr<std::unique_ptr<Student>> MakeBaseline(const BaselineOptions& options, const std::string& folder,
                                                      uint64_t seed, TrainingModel& model) {
  if (absl::Status checked = CheckTarget(options); !checked.ok()) return checked;
  if (!options.deltas.empty() && options.method != "random" && options.method != "linear-router") {
    return WrongUsageError("--deltas: goes with --method random and linear-router only");
  }
  if (options.method == "dense") return std::make_unique<RoutedStudent>(model, 0.0);
  if (options.method == "linear-router" || options.method == "diffcr") {
    return MakeAblation(options, folder, seed, model);
  }
  auto student = MakeOwnKind(options, folder, model);
  if (!student.ok()) return student.status();
  if (absl::Status initialized = (*student)->Initialize(seed); !initialized.ok()) return initialized;
  return *std::move(student);
}

bool HasBaseline(const std::string& folder) {
  std::error_code error;
  return std::filesystem::exists(folder + "/" + kStudentFile, error);
}

absl::StatusOr<std::unique_ptr<Student>> OpenBaseline(const std::string& folder, TrainingModel& model) {
  const auto file = SafetensorsReader::Open(folder + "/" + kStudentFile);
  if (!file.ok()) return file.status();
  const absl::StatusOr<BaselineOptions> options = OptionsOf(*file);
  if (!options.ok()) return options.status();
  if (options->method == kVideodiffcr) return OpenCacheAware(*file, folder, model);
  auto student = MakeOwnKind(*options, folder, model);
  if (!student.ok()) {
    return absl::Status(student.status().code(), absl::StrCat(file->path(), ": ", student.status().message()));
  }
  std::vector<WeightRow> rows = (*student)->OwnRows();
  for (WeightRow& row : (*student)->StoredRows()) rows.push_back(std::move(row));
  WeightOptions weights;
  weights.device = model.device;
  if (absl::Status loaded = LoadWeightTable(*file, rows, weights); !loaded.ok()) return loaded;
  if (absl::Status opened = (*student)->Opened(file->path()); !opened.ok()) return opened;
  return *std::move(student);
}

}  // namespace videodiffcr::training
