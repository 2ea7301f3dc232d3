// Halves of one network in one file, loaded each on its own.
#ifndef VIDEODIFFCR_MODEL_WEIGHTS_LOAD_HALF_H_
#define VIDEODIFFCR_MODEL_WEIGHTS_LOAD_HALF_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/weights/weight_table.h"

namespace videodiffcr {

// The weights whose rows `table(&weights)` names. Tensors whose names hold `other_half` are left to whoever loads that.
template <typename Weights, typename Table>
absl::StatusOr<Weights> LoadHalf(const SafetensorsReader& reader, WeightOptions options, const std::string& other_half,
                                 const Table& table) {
  options.other_owners.push_back(other_half);
  Weights weights;
  if (absl::Status status = LoadWeightTable(reader, table(&weights), options); !status.ok()) return status;
  return weights;
}

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_WEIGHTS_LOAD_HALF_H_
