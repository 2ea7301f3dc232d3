// The students that VideoDiffCR is compared with, by name (videodiffcr.md section 7).
#ifndef VIDEODIFFCR_TRAINING_STUDENTS_BASELINES_H_
#define VIDEODIFFCR_TRAINING_STUDENTS_BASELINES_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "training/model/training_model.h"
#include "training/students/baseline_student.h"
#include "training/students/student.h"

namespace videodiffcr::training {

// What BaselineOptions::method can be, in the order of the table in docs/training.md.
const std::vector<std::string>& BaselineMethods();

// A student of a model, as it is before training; `model`, of `folder`, outlives it. InvalidArgument names the method
// or the target that there is not, FailedPrecondition what the model lacks for it.
absl::StatusOr<std::unique_ptr<Student>> MakeBaseline(const BaselineOptions& options, const std::string& folder,
                                                      uint64_t seed, TrainingModel& model);

// Whether a folder is a student's that has to be opened by OpenBaseline(): others are what their config.json says.
bool HasBaseline(const std::string& folder);

// The student of such a folder, for evaluation; `model` is what LoadTrainingModel() made of the folder, and outlives
// it. Errors name the file and what is wrong with it.
absl::StatusOr<std::unique_ptr<Student>> OpenBaseline(const std::string& folder, TrainingModel& model);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STUDENTS_BASELINES_H_
