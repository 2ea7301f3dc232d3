// Model folders with few blocks.
#ifndef VIDEODIFFCR_TESTS_TRAINING_SHALLOW_MODEL_H_
#define VIDEODIFFCR_TESTS_TRAINING_SHALLOW_MODEL_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace videodiffcr::training {

// `to`, a new folder: the model of `from` with the first `blocks` blocks of its transformer alone. For tests whose
// point is the same in a model of any depth, such as that two ways to train it end in the same bits.
absl::Status WriteShallowModel(const std::string& from, int64_t blocks, const std::string& to);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TESTS_TRAINING_SHALLOW_MODEL_H_
