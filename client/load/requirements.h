// What a load must have come to: "cpr>=0.99,lost==0".
#ifndef VIDEODIFFCR_CLIENT_LOAD_REQUIREMENTS_H_
#define VIDEODIFFCR_CLIENT_LOAD_REQUIREMENTS_H_

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace videodiffcr {

struct Requirement {
  std::string figure;
  std::string relation;  // ">=", "<=", "==", ">" or "<"
  double bound = 0;
};

// InvalidArgument says what a part must be.
absl::StatusOr<std::vector<Requirement>> ParseRequirements(std::string_view text);

// FailedPrecondition naming every requirement that does not hold, with what there is instead; a figure that is not
// there does not hold either.
absl::Status CheckRequirements(const std::vector<Requirement>& requirements,
                               const std::map<std::string, double>& figures);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CLIENT_LOAD_REQUIREMENTS_H_
