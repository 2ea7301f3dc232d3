// Identity drift: a caption leaves size, colour or the background open, the first four chunks choose, and later chunks
// are asked whether they still show the same (videodiffcr.md sections 8.2 and 9). What a caption says comes back by
// itself, since every chunk attends to it; what it leaves open lives in the cache alone.
#ifndef VIDEODIFFCR_TRAINING_EVALUATION_IDENTITY_DRIFT_H_
#define VIDEODIFFCR_TRAINING_EVALUATION_IDENTITY_DRIFT_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "training/evaluation/evaluation.h"

namespace videodiffcr::training {

// The start that everything is compared with: chunks 1 to 4.
inline constexpr int64_t kDriftStart = 4;
// Chunks done when the last four are compared with the start.
inline constexpr std::array<int64_t, 4> kDriftEnds = {8, 16, 24, 40};

// Of one condition of kind kDrift: the clips at each of kDriftEnds, condition "drift-8" and so on, with the columns
// kFlipped to kAreaChange filled, and the attributes that the captions do say.
absl::StatusOr<std::vector<JudgedClips>> EvaluateDrift(const ClipSource& source, const ClassifierWeights& classifier,
                                                       const EvaluationCondition& condition,
                                                       const EvaluationSettings& settings,
                                                       const EvaluationProgress& progress);

// Whether what `prompted` leaves open is read otherwise now than at the start.
bool IsFlipped(const AttributeValues& prompted, const AttributeValues& start, const AttributeValues& now);
// Degrees between two hues, 0 to 180.
double HueDifference(double first, double second);

// For people: a line per chunk count with the share of flips, of each open attribute too, and the mean changes.
std::string FormatDrift(const std::string& condition, const std::vector<JudgedClips>& drift);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_EVALUATION_IDENTITY_DRIFT_H_
