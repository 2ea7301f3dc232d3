// Everything a run needs to go on where it stopped, in one safetensors file.
#ifndef VIDEODIFFCR_TRAINING_RUN_CHECKPOINT_H_
#define VIDEODIFFCR_TRAINING_RUN_CHECKPOINT_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/weights/weight_table.h"
#include "training/run/state_row.h"

namespace videodiffcr::training {

// What belongs to a run besides its tensors. Random draws are keyed by (seed, step), so the step is also the position
// of the random numbers.
struct CheckpointHeader {
  std::string stage;
  int64_t step = 0;                             // the next one to run
  std::map<std::string, std::string> settings;  // seed, batch, ...: must be the same to go on
};

// Replaces `path`: new name, sync, rename, so the last good checkpoint stays when writing fails (disk full). One tensor
// after the other is brought to the CPU. Every rank calls where some of the state is shared out; `writes` at rank 0
// alone, the others only give what they hold.
absl::Status WriteCheckpoint(const std::string& path, const CheckpointHeader& header,
                             const std::vector<StateRow>& state, bool writes = true);

// Fills the tensors of `state` in place, one after the other, and returns the step to go on with. FailedPrecondition
// when the file is of another stage or other settings, InvalidArgument naming file and tensor when a tensor is missing,
// unknown or of another shape; nothing is changed then.
absl::StatusOr<int64_t> ReadCheckpoint(const std::string& path, const CheckpointHeader& expected,
                                       const std::vector<StateRow>& state);

// Tensors as they are served: rows in `dtype`, under their names.
absl::Status WriteWeights(const std::string& path, const std::vector<WeightRow>& rows, at::ScalarType dtype,
                          const std::map<std::string, std::string>& metadata);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_RUN_CHECKPOINT_H_
