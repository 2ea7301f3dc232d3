#include "training/stages/baseline_stage.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "training/stages/sensitivity_stage.h"

namespace videodiffcr::training {

absl::StatusOr<std::unique_ptr<TrainingStage>> MakeBaselineStage(const BaselineStageOptions& options) {
  std::vector<std::string> methods = BaselineMethods();
  methods.push_back(kSensitivity);
  if (std::find(methods.begin(), methods.end(), options.student.method) == methods.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--method '", options.student.method, "': must be one of ", absl::StrJoin(methods, ", ")));
  }
  if (options.student.method == kSensitivity) return MakeSensitivityStage(options.stage, options.student.target);
  return DistillStudent(options.stage, options.distillation,
                        [&](TrainingModel& model) -> absl::StatusOr<std::unique_ptr<Student>> {
                          return MakeBaseline(options.student, options.stage.model, options.stage.seed, model);
                        });
}

}  // namespace videodiffcr::training
