#include "client/load/requirements.h"

#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "client/load/load_result.h"

namespace videodiffcr {
namespace {

// Two characters before one, so that ">=" is not taken for ">".
constexpr const char* kRelations[] = {">=", "<=", "==", ">", "<"};

bool Holds(double value, const std::string& relation, double bound) {
  if (relation == ">=") return value >= bound;
  if (relation == "<=") return value <= bound;
  if (relation == "==") return value == bound;
  return relation == ">" ? value > bound : value < bound;
}

absl::StatusOr<Requirement> ParseOne(absl::string_view text) {
  for (const char* relation : kRelations) {
    const std::vector<std::string> sides = absl::StrSplit(text, absl::MaxSplits(relation, 1));
    if (sides.size() != 2) continue;
    Requirement requirement;
    requirement.figure = std::string(absl::StripAsciiWhitespace(sides[0]));
    requirement.relation = relation;
    if (!requirement.figure.empty() && absl::SimpleAtod(sides[1], &requirement.bound) &&
        std::isfinite(requirement.bound)) {
      return requirement;
    }
    break;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("must be figures with their bounds, as in cpr>=0.99,lost==0; '", text, "' is not one"));
}

}  // namespace

absl::StatusOr<std::vector<Requirement>> ParseRequirements(std::string_view text) {
  std::vector<Requirement> requirements;
  for (const absl::string_view part : absl::StrSplit(absl::string_view(text.data(), text.size()), ',')) {
    absl::StatusOr<Requirement> requirement = ParseOne(part);
    if (!requirement.ok()) return requirement.status();
    requirements.push_back(*std::move(requirement));
  }
  return requirements;
}

absl::Status CheckRequirements(const std::vector<Requirement>& requirements,
                               const std::map<std::string, double>& figures) {
  std::vector<std::string> broken;
  for (const Requirement& requirement : requirements) {
    const auto found = figures.find(requirement.figure);
    const auto behind = figures.find(FigureBehind(requirement.figure));
    if (found == figures.end()) {
      broken.push_back(absl::StrCat(requirement.figure, " is no figure of this load"));
    } else if (behind != figures.end() && behind->second == 0) {
      broken.push_back(absl::StrCat(requirement.figure, " says nothing, since ", behind->first, " is 0"));
    } else if (!Holds(found->second, requirement.relation, requirement.bound)) {
      broken.push_back(absl::StrCat(requirement.figure, " is ", found->second, ", not ", requirement.relation, " ",
                                    requirement.bound));
    }
  }
  if (broken.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("required but not so: ", absl::StrJoin(broken, "; ")));
}

}  // namespace videodiffcr
