// The models of the repository that the tests of training start from.
#ifndef VIDEODIFFCR_TESTS_TRAINING_TINY_MODEL_H_
#define VIDEODIFFCR_TESTS_TRAINING_TINY_MODEL_H_

#include <cstdlib>
#include <string>

namespace videodiffcr::training {

// The folder of what ships.
inline std::string TinyModel() { return std::string(std::getenv("VIDEODIFFCR_SOURCE_DIR")) + "/models/tiny"; }
// Of the teacher of distillation: its network has no gates, and none of its tokens was ever taken out.
inline std::string TinyTeacher() { return TinyModel() + "_teacher"; }

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TESTS_TRAINING_TINY_MODEL_H_
