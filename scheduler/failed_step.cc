#include "scheduler/failed_step.h"

#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace videodiffcr {
namespace {

std::string Describe(const PlannedStep& step) {
  switch (step.kind) {
    case StepKind::kText:
      return absl::StrCat("text encoding before chunk ", step.chunk);
    case StepKind::kDenoise:
      return absl::StrCat("denoising pass ", step.step, " of chunk ", step.chunk);
    case StepKind::kContext:
      return absl::StrCat("context pass of chunk ", step.chunk);
    case StepKind::kRebuild:
      return absl::StrCat("rebuilding chunk ", step.chunk);
  }
  return "step";
}

}  // namespace

absl::Status FailedStep(const absl::Status& status, const PlannedStep& step) {
  absl::Status annotated(status.code(), absl::StrCat(Describe(step), ": ", status.message()));
  status.ForEachPayload(
      [&](absl::string_view type, const absl::Cord& payload) { annotated.SetPayload(type, payload); });
  return annotated;
}

}  // namespace videodiffcr
